package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"meshsim/lowband/channel"
	"meshsim/lowband/proxy"
)

// identify says which key the other side has, or what happens to the one that it shows.
func (o *proxyOptions) identify(cfg *proxy.NearConfig, out io.Writer) (err error) {
	if o.coapKey != "" {
		cfg.Changed = refusal(out, func(now channel.PublicKey) string { return fmt.Sprintf("If it was: --coap-key %v", now) })
		if cfg.Key, err = channel.ParsePublicKey(o.coapKey); err != nil {
			return fmt.Errorf("--coap-key: %w", err)
		}
		return nil
	}
	known, err := o.openKnownKeys()
	if err != nil {
		return err
	}
	if cfg.Key, err = known.find(o.coapTarget); err != nil {
		return err
	}
	if cfg.Key != (channel.PublicKey{}) {
		fmt.Fprintf(out, "known from an earlier contact (%s): --coap-key %v\n", known.file, cfg.Key)
	}
	cfg.Trust = func(key channel.PublicKey) error {
		if err := known.add(o.coapTarget, key); err != nil {
			return err
		}
		fmt.Fprintf(out, "trusting on first use: --coap-key %v; %s has shown it, and must from now on (%s)\n", key, o.coapTarget, known.file)
		return nil
	}
	cfg.Changed = refusal(out, func(channel.PublicKey) string {
		return fmt.Sprintf("If it was: delete the line of %s in %s and start again", o.coapTarget, known.file)
	})
	return nil
}

// refusal says on out, once, that the other side has another key, and what to do about it.
func refusal(out io.Writer, remedy func(now channel.PublicKey) string) func(*channel.KeyChangedError) string {
	var once sync.Once
	return func(e *channel.KeyChangedError) string {
		do := remedy(e.Now)
		once.Do(func() { fmt.Fprintf(out, "REFUSED: %v. %s\n", e, do) })
		return do
	}
}

// knownKeys is a file with the keys that were learned at first contacts, a line for each address: address, key and day,
// with spaces between them. Lines that begin with # are not read.
type knownKeys struct{ file string }

// maxKnownKeys bounds what is read of a file of known keys, in bytes.
const maxKnownKeys = 1 << 20

func (o *proxyOptions) openKnownKeys() (*knownKeys, error) {
	if o.knownKeys != "" {
		return &knownKeys{o.knownKeys}, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("keys that are learned cannot be kept (%w): give --coap-key KEY or --known-keys FILE", err)
	}
	return &knownKeys{filepath.Join(dir, "meshsim", "known-keys")}, nil
}

// find returns the key of an address, the zero key where none was learned.
func (k *knownKeys) find(address string) (channel.PublicKey, error) {
	data, err := k.read()
	if err != nil {
		return channel.PublicKey{}, err
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for number := 1; lines.Scan(); number++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") || fields[0] != address {
			continue
		}
		if len(fields) < 2 {
			return channel.PublicKey{}, fmt.Errorf("%s, line %d: after %s a key must follow", k.file, number, address)
		}
		key, err := channel.ParsePublicKey(fields[1])
		if err != nil {
			return key, fmt.Errorf("%s, line %d: %w", k.file, number, err)
		}
		return key, nil
	}
	return channel.PublicKey{}, lines.Err()
}

// read is empty where there is no file.
func (k *knownKeys) read() ([]byte, error) {
	f, err := os.Open(k.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--known-keys: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKnownKeys+1))
	if err != nil {
		return nil, fmt.Errorf("--known-keys: %w", err)
	}
	if len(data) > maxKnownKeys {
		return nil, fmt.Errorf("--known-keys: %s is larger than %d bytes, so it is something else", k.file, maxKnownKeys)
	}
	return data, nil
}

// newline ends a last line that was not finished, because the file was edited by hand or a disk was full: what is added
// would belong to it, and never be found.
func (k *knownKeys) newline() string {
	data, err := k.read()
	if err != nil || len(data) == 0 || bytes.HasSuffix(data, []byte("\n")) {
		return ""
	}
	return "\n"
}

// add keeps a key. The error is a *channel.KeyChangedError where another one was kept since find was asked.
func (k *knownKeys) add(address string, key channel.PublicKey) error {
	known, err := k.find(address)
	switch {
	case err != nil:
		return err
	case known == key:
		return nil
	case known != (channel.PublicKey{}):
		return &channel.KeyChangedError{Known: known, Now: key}
	}
	if err := os.MkdirAll(filepath.Dir(k.file), 0o700); err != nil {
		return fmt.Errorf("--known-keys: %w", err)
	}
	f, err := os.OpenFile(k.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("--known-keys: %w", err)
	}
	_, err = fmt.Fprintf(f, "%s%s %v %s\n", k.newline(), address, key, time.Now().Format(time.DateOnly))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("--known-keys: %w", err)
	}
	return nil
}
