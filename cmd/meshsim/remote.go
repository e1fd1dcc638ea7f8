package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/spf13/cobra"

	"meshsim/api"
	"meshsim/mesh"
)

// remote is a meshsim that runs, as the commands that work with one see it.
type remote struct {
	at     string // as the flag has it
	token  string
	getenv func(string) string
}

// flags adds the flags that say which meshsim is meant.
func (r *remote) flags(c *cobra.Command) {
	c.Flags().StringVar(&r.at, "at", "",
		"`address` of the meshsim that is meant: the one that it printed, or host and port ("+envPrefix+"AT; absent is 127.0.0.1:3000)")
	c.Flags().StringVar(&r.token, "token", "", "`text` that it wants beyond loopback, unless the address has it ("+envPrefix+"TOKEN)")
}

// base is the address without a path, and the token.
func (r *remote) base() (*url.URL, string, error) {
	at := cmp.Or(r.at, r.getenv(envPrefix+"AT"), "127.0.0.1:3000")
	text := at
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, "", fmt.Errorf("--at is %q: it must be an address such as 127.0.0.1:3000", at)
	}
	token := cmp.Or(r.token, u.Query().Get("token"), r.getenv(envPrefix+"TOKEN"))
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, token, nil
}

// request sends a request without a body to /api/v1; see send.
func (r *remote) request(ctx context.Context, method, path string, query url.Values) (*http.Response, error) {
	return r.send(ctx, method, path, query, nil)
}

// send sends a request to /api/v1, with a body of JSON unless that is nil, and returns the answer, whose status is of
// success. The caller closes its body.
func (r *remote) send(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Response, error) {
	base, token, err := r.base()
	if err != nil {
		return nil, err
	}
	u := base.JoinPath("/api/v1", path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, unreachable(base, err)
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	return nil, refused(base, response)
}

// notRunningError says that no meshsim answers.
type notRunningError struct {
	host  string
	cause error
}

func (e *notRunningError) Error() string {
	return fmt.Sprintf("no meshsim answers at %s: start one with meshsim, or name the one that runs with --at", e.host)
}

func (e *notRunningError) Unwrap() error { return e.cause }

func unreachable(base *url.URL, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return &notRunningError{host: base.Host, cause: err}
	}
	var failed *net.OpError
	if errors.As(err, &failed) {
		return fmt.Errorf("meshsim at %s cannot be reached: %w", base.Host, failed.Err)
	}
	return fmt.Errorf("what answers at %s is no meshsim: %w", base.Host, err)
}

// refused makes an error of an answer that is none of success: the interface's own sentence.
func refused(base *url.URL, response *http.Response) error {
	const most = 64 << 10
	var problem huma.ErrorModel
	err := json.NewDecoder(io.LimitReader(response.Body, most)).Decode(&problem)
	if err != nil || problem.Detail == "" {
		return fmt.Errorf("what answers at %s is no meshsim: it says %s", base.Host, response.Status)
	}
	if response.StatusCode == http.StatusUnauthorized {
		return fmt.Errorf("meshsim at %s wants its token: use --at with the whole address that it printed, or --token", base.Host)
	}
	return errors.New(problem.Detail)
}

// get asks for a value.
func get[T any](ctx context.Context, r *remote, path string) (T, error) {
	var value T
	response, err := r.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return value, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&value); err != nil {
		return value, fmt.Errorf("what answers at %s is no meshsim: %w", response.Request.Host, err)
	}
	return value, nil
}

// maxLine bounds a line of an answer, in bytes: a line of a log with all its escapes.
const maxLine = 1 << 20

// follow asks for values that come over time, one a line. It calls begun once it is not refused, and each with every line.
// It ends without an error when ctx does.
func follow(ctx context.Context, r *remote, path string, query url.Values, begun func(), each func(line []byte) error) error {
	response, err := r.request(ctx, http.MethodGet, path, query)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer response.Body.Close()
	begun()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if err := each(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("meshsim at %s broke off: %w", response.Request.Host, err)
	}
	return nil
}

// servers are those that were not removed.
func (r *remote) servers(ctx context.Context) ([]api.Server, error) {
	all, err := get[[]api.Server](ctx, r, "servers")
	if err != nil {
		return nil, err
	}
	present := all[:0]
	for _, s := range all {
		if s.State != string(mesh.Gone) {
			present = append(present, s)
		}
	}
	return present, nil
}

// server finds one by its name or its id.
func (r *remote) server(ctx context.Context, name string) (api.Server, error) {
	servers, err := r.servers(ctx)
	if err != nil {
		return api.Server{}, err
	}
	for _, s := range servers {
		if s.Name == name || strconv.Itoa(s.ID) == name {
			return s, nil
		}
	}
	return api.Server{}, fmt.Errorf("there is no server %q: meshsim ls lists those that there are", name)
}

// complete offers the names of servers to the shell, for the first so many arguments.
func (r *remote) complete(arguments int) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= arguments {
			return nil, cobra.ShellCompDirectiveDefault
		}
		ctx, cancel := context.WithTimeout(c.Context(), completionLimit)
		defer cancel()
		servers, err := r.servers(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, s := range servers {
			names = append(names, cobra.CompletionWithDesc(s.Name, s.Kind+", "+s.State))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completionLimit is how long somebody who pressed the tabulator is made to wait.
const completionLimit = time.Second

// wantServers checks that there are as many arguments as names.
func wantServers(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return fmt.Errorf("%s wants %s, not %d arguments; see %s --help", c.CommandPath(), strings.Join(names, " and "), len(args), c.CommandPath())
	}
}
