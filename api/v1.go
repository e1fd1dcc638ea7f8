package api

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"runtime"

	"github.com/danielgtaylor/huma/v2"

	"meshsim/fabric"
	"meshsim/mesh"
	"meshsim/talk"
)

// v1 is what the operations of /api/v1 act on.
type v1 struct {
	mesh       *mesh.Mesh
	talk       *talk.Talk
	view       view
	fabric     *fabric.Fabric
	transports Transports
	savings    MemorySavings
	log        *slog.Logger
	version    string

	streams slots // of answers that come over time
	imports slots // of files that are read
}

// nothing is the input of an operation that needs none.
type nothing struct{}

// result is the output of an operation.
type result[T any] struct{ Body T }

func answer[T any](body T, err error) (*result[T], error) {
	if err != nil {
		return nil, problemOf(err)
	}
	return &result[T]{Body: body}, nil
}

// operation completes what most operations have in common.
func operation(id, method, path, tag, summary, description string) huma.Operation {
	return huma.Operation{
		OperationID:  id,
		Method:       method,
		Path:         prefix + path,
		Tags:         []string{tag},
		Summary:      summary,
		Description:  description,
		MaxBodyBytes: maxBody,
		// A deadline would outlive the body: net/http takes it for the reader's end and cancels what takes longer.
		BodyReadTimeout: -1,
	}
}

// creating is an operation that answers 201.
func creating(op huma.Operation) huma.Operation {
	op.DefaultStatus = http.StatusCreated
	return op
}

func (v *v1) registerVersion(api huma.API) {
	huma.Register(api, operation("version", http.MethodGet, "/version", "meshsim", "What is running", ""),
		func(context.Context, *nothing) (*result[Version], error) {
			return &result[Version]{Body: Version{
				Version: v.version,
				Go:      runtime.Version(),
				Seed:    v.mesh.Snapshot().Seed,
				PID:     os.Getpid(),
			}}, nil
		})
}
