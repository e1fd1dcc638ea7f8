package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/spf13/pflag"

	"meshsim/lowband"
	"meshsim/lowband/capture"
)

// watchOptions are the flags that show what passes.
type watchOptions struct {
	dump                    bool
	plain, encrypted, keyed string
}

func (o *watchOptions) flags(f *pflag.FlagSet) {
	f.BoolVar(&o.dump, "dump", false, "print what each message becomes at each step, with its size")
	f.StringVar(&o.plain, "capture", "", "write the CoAP messages, as they are before encryption, into this pcapng `file`")
	f.StringVar(&o.encrypted, "capture-encrypted", "", "write the DTLS datagrams of --wire standard, and their keys, into this pcapng `file`")
	f.StringVar(&o.keyed, "keylog", "", "write the keys of DTLS sessions into this `file`, for captures of others")
}

func (o *watchOptions) check(standard bool) error {
	if !standard && (o.encrypted != "" || o.keyed != "") {
		return errors.New("--capture-encrypted and --keylog are for --wire standard; --capture shows what --wire compact carries")
	}
	return nil
}

// watch is what was opened for them. Its zero value watches nothing.
type watch struct {
	dump             *capture.Dump
	plain, encrypted *capture.File
	keylog           io.Writer
	files            []*os.File
}

// open begins the files. serves tells whether this is the side of the homeserver.
func (o *watchOptions) open(out io.Writer, serves bool) (*watch, error) {
	w := &watch{}
	if o.dump {
		w.dump = capture.NewDump(out)
	}
	var err error
	if w.plain, err = w.capture("--capture", o.plain, capture.PortCoAP, serves); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if w.encrypted, err = w.capture("--capture-encrypted", o.encrypted, capture.PortDTLS, serves); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if o.keyed != "" {
		file, err := w.create("--keylog", o.keyed)
		if err != nil {
			return nil, errors.Join(err, w.close())
		}
		w.keylog = file
	}
	return w, nil
}

// create opens a file that nobody else may read: it holds what was secret.
func (w *watch) create(flag, name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	w.files = append(w.files, file)
	return file, nil
}

func (w *watch) capture(flag, name string, port uint16, serves bool) (*capture.File, error) {
	if name == "" {
		return nil, nil
	}
	file, err := w.create(flag, name)
	if err != nil {
		return nil, err
	}
	return capture.NewFile(file, port, serves)
}

// tap is what the ends are given.
func (w *watch) tap(conn net.PacketConn) lowband.Tap {
	var all lowband.Tap
	if w.dump != nil {
		all = w.dump.Tap()
	}
	if w.plain != nil {
		all = capture.Both(all, lowband.Tap{Datagram: func(sent bool, peer net.Addr, b []byte) {
			w.plain.Datagram(time.Now(), sent, conn.LocalAddr(), peer, b)
		}})
	}
	return all
}

// conn is the connection with those around it that look at datagrams.
func (w *watch) conn(c net.PacketConn) net.PacketConn {
	if w.encrypted != nil {
		c = w.encrypted.Conn(c)
	}
	if w.dump != nil {
		c = w.dump.Conn(c)
	}
	return c
}

// keys is where the keys of sessions go; nil for nowhere.
func (w *watch) keys() io.Writer {
	var to []io.Writer
	if w.encrypted != nil {
		to = append(to, w.encrypted)
	}
	if w.keylog != nil {
		to = append(to, w.keylog)
	}
	if len(to) == 0 {
		return nil
	}
	return io.MultiWriter(to...)
}

// close ends the files, and says what was not written.
func (w *watch) close() error {
	var errs []error
	for _, f := range []*capture.File{w.plain, w.encrypted} {
		if f != nil {
			errs = append(errs, f.Flush())
		}
	}
	for _, f := range w.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
