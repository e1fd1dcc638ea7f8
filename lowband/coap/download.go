package coap

import (
	"context"
	"encoding/binary"
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
	key      string
	resource string // "" where the key says all
	code     codes.Code
	body     []byte
	size     int // of a block
	served   map[int]bool
	extra    message.Options // besides those of blocks
	over     chan struct{}   // closed when its end was served, or when it was forgotten
}

func (d *download) end() {
	select {
	case <-d.over:
	default:
		close(d.over)
	}
}

// downloads are the answers that are kept, oldest first. The association's lock guards it.
type downloads struct{ list []*download }

// keep takes an answer that is larger than a block. The first block is served at once.
func (d *downloads) keep(down *download) {
	d.list = slices.DeleteFunc(d.list, func(old *download) bool {
		if old.key == down.key {
			old.end()
		}
		return old.key == down.key
	})
	if len(d.list) == maxDownloads {
		d.list[0].end()
		d.list = slices.Delete(d.list, 0, 1)
	}
	down.served = map[int]bool{0: true}
	d.list = append(d.list, down)
}

// find returns the answer with a key; where there is none, the latest one about the resource.
func (d *downloads) find(key, resource string) *download {
	for _, down := range d.list {
		if down.key == key {
			return down
		}
	}
	for _, down := range slices.Backward(d.list) {
		if resource != "" && down.resource == resource {
			return down
		}
	}
	return nil
}

// firstBlockLocked returns what the first message of an answer carries, and keeps the rest where there is one; over is
// closed once that was fetched or forgotten, and nil where there is none.
func (a *Association) firstBlockLocked(in *incoming, res Response) (list message.Options, payload []byte, over <-chan struct{}) {
	size := a.cfg.Path().block()
	if in.blockSize > 0 {
		size = min(size, in.blockSize)
	}
	if len(res.Payload) <= size {
		return res.Options, res.Payload, nil
	}
	down := &download{
		key: in.key, resource: in.resource, code: res.Code, body: res.Payload, size: size, extra: res.Options, over: make(chan struct{}),
	}
	if a.cfg.Options != nil {
		down.key = tokenKey(in.token) // a Request-Tag is about the body of the request alone
		a.etag++
		down.extra = inOrder(res.Options, message.Option{ID: message.ETag, Value: binary.BigEndian.AppendUint16(nil, a.etag)})
	}
	a.downloads.keep(down)
	list, payload = down.part(block{size: size})
	return list, payload, down.over
}

// part returns the options and the payload of one block; the size is the asker's choice.
func (d *download) part(b block) (message.Options, []byte) {
	start := b.num * b.size
	end := min(start+b.size, len(d.body))
	b.more = end < len(d.body)
	list := inOrder(d.extra, uintOption(message.Block2, b.encode()))
	if b.num == 0 {
		list = inOrder(list, uintOption(message.Size2, uint32(len(d.body))))
	}
	return list, d.body[start:end]
}

// nextBlockLocked answers a request for another block of an answer (RFC 7959, section 2.4).
func (a *Association) nextBlockLocked(in *incoming, b block) {
	d := a.downloads.find(in.key, in.resource)
	switch {
	case d == nil:
		a.refuseLocked(in, codes.RequestEntityIncomplete)
		return
	case b.num*b.size >= len(d.body):
		a.count.malformed.Add(1)
		a.refuseLocked(in, codes.BadOption)
		return
	}
	options, payload := d.part(b)
	a.answerLocked(in, d.code, options, payload)
	if (b.num+1)*b.size >= len(d.body) {
		d.end()
	}
	if b.size != d.size {
		return // a smaller size was asked for: who asks so is not followed to the end
	}
	d.served[b.num] = true
	if len(d.served)*d.size >= len(d.body) {
		a.downloads.list = slices.DeleteFunc(a.downloads.list, func(other *download) bool { return other == d })
	}
}

// parallel is how many blocks of an answer are asked for at once; the window decides how many are on their way.
const parallel = 8

// download completes an answer of which the first message has come. key is the Request-Tag or the token of its request.
func (a *Association) download(ctx context.Context, method codes.Code, key string, first *message.Message) (Response, error) {
	o, err := readOptions(first.Options, nil)
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
	if answer.Code>>5 == 4 || len(answer.Payload) != want {
		return nil, &TransferError{Code: answer.Code, Reason: fmt.Sprintf("block %d has %d bytes, not %d", num, len(answer.Payload), want)}
	}
	return answer.Payload, nil
}
