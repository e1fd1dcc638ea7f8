package coap

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// maxDownloads bounds how many answers are kept for a peer that fetches them in blocks; the oldest gives way.
const maxDownloads = 8

// download is an answer that leaves in blocks.
type download struct {
	key    string
	body   []byte
	size   int // of a block
	served map[int]bool
}

func (d *download) blocks() int { return (len(d.body) + d.size - 1) / d.size }

// downloads are the answers that are kept, oldest first. The association's lock guards it.
type downloads struct{ list []*download }

// begin returns what the first message of an answer carries, and keeps the rest where there is one.
func (d *downloads) begin(key string, body []byte, size int) (message.Options, []byte) {
	if len(body) <= size {
		return nil, body
	}
	d.list = slices.DeleteFunc(d.list, func(old *download) bool { return old.key == key })
	if len(d.list) == maxDownloads {
		d.list = slices.Delete(d.list, 0, 1)
	}
	down := &download{key: key, body: body, size: size, served: map[int]bool{0: true}}
	d.list = append(d.list, down)
	return down.options(0), body[:size]
}

func (d *download) options(num int) message.Options {
	b := block{num: num, more: num < d.blocks()-1, size: d.size}
	list := message.Options{uintOption(message.Block2, b.encode())}
	if num == 0 {
		list = append(list, uintOption(message.Size2, uint32(len(d.body))))
	}
	return list
}

// nextBlockLocked answers a request for another block of an answer (RFC 7959, section 2.4).
func (a *Association) nextBlockLocked(in *incoming, b block) {
	for i, d := range a.downloads.list {
		if d.key != in.key {
			continue
		}
		if b.size != d.size || b.num >= d.blocks() {
			a.count.malformed.Add(1)
			a.refuseLocked(in, codes.BadOption)
			return
		}
		d.served[b.num] = true
		start := b.num * d.size
		a.answerLocked(in, codes.Content, d.options(b.num), d.body[start:min(start+d.size, len(d.body))])
		if len(d.served) == d.blocks() {
			a.downloads.list = slices.Delete(a.downloads.list, i, i+1)
		}
		return
	}
	a.refuseLocked(in, codes.RequestEntityIncomplete)
}

// parallel is how many blocks of an answer are asked for at once; the window decides how many are on their way.
const parallel = 8

// download completes an answer of which the first message has come. key is the Request-Tag or the token of its request.
func (a *Association) download(ctx context.Context, method codes.Code, key string, first *message.Message) (Response, error) {
	o, err := readOptions(first.Options)
	if err != nil {
		return Response{}, &TransferError{Reason: err.Error()}
	}
	if !o.block2.given || !o.block2.more {
		return Response{Code: first.Code, Payload: first.Payload}, nil
	}
	size := o.block2.size
	if o.block2.num != 0 || len(first.Payload) != size || o.size <= size {
		return Response{}, &TransferError{Reason: "the first block does not say how long the answer is"}
	}
	if o.size > a.cfg.MaxBody {
		return Response{}, &TransferError{Reason: fmt.Sprintf("the answer has %d bytes, at most %d are taken", o.size, a.cfg.MaxBody)}
	}
	f := &fetch{a: a, method: method, key: key, size: size, blocks: make([][]byte, (o.size+size-1)/size), total: o.size}
	f.blocks[0] = first.Payload
	body, err := f.run(ctx)
	return Response{Code: first.Code, Payload: body}, err
}

// fetch asks for the blocks of one answer.
type fetch struct {
	a      *Association
	method codes.Code
	key    string
	size   int
	total  int

	mu     sync.Mutex // guards next
	next   int
	blocks [][]byte // each is written by the one that fetches it
}

func (f *fetch) run(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	for range min(parallel, len(f.blocks)-1) {
		workers.Go(func() {
			if err := f.work(ctx); err != nil {
				cancel(err)
			}
		})
	}
	workers.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	body := make([]byte, 0, f.total)
	for _, b := range f.blocks {
		body = append(body, b...)
	}
	return body, nil
}

func (f *fetch) work(ctx context.Context) error {
	for {
		f.mu.Lock()
		f.next++
		num := f.next
		f.mu.Unlock()
		if num >= len(f.blocks) {
			return nil
		}
		payload, err := f.block(ctx, num)
		if err != nil {
			return err
		}
		f.blocks[num] = payload
	}
}

func (f *fetch) block(ctx context.Context, num int) ([]byte, error) {
	asked := block{num: num, size: f.size}
	answer, err := f.a.confirm(ctx, message.Message{Code: f.method, Options: message.Options{
		uintOption(message.Block2, asked.encode()), {ID: requestTag, Value: []byte(f.key)},
	}}, f.size, true)
	if err != nil {
		return nil, err
	}
	want := min(f.size, f.total-num*f.size)
	if answer.Code != codes.Content || len(answer.Payload) != want {
		return nil, &TransferError{Code: answer.Code, Reason: fmt.Sprintf("block %d has %d bytes, not %d", num, len(answer.Payload), want)}
	}
	return answer.Payload, nil
}
