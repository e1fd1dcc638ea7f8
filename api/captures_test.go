package api

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/iotest"
)

// block is a pcapng block of a type with a body of some bytes.
func block(kind uint32, body int) []byte {
	length := uint32(12 + body)
	b := binary.LittleEndian.AppendUint32(nil, kind)
	b = binary.LittleEndian.AppendUint32(b, length)
	b = append(b, make([]byte, body)...)
	return binary.LittleEndian.AppendUint32(b, length)
}

// TestCapturesEndAfterTheLastPacket writes a file in pieces of every size.
func TestCapturesEndAfterTheLastPacket(t *testing.T) {
	const sectionHeader, interfaceDescription, statistics = 0x0A0D0D0A, 1, 5
	file := bytes.Join([][]byte{
		block(sectionHeader, 16), block(interfaceDescription, 8), block(interfaceDescription, 40),
		block(enhancedPacket, 60), block(statistics, 4), block(enhancedPacket, 1500), block(enhancedPacket, 4),
	}, nil)
	for packets, want := range map[int]int{
		0: len(file), // not bounded
		1: len(file) - len(block(enhancedPacket, 4)) - len(block(enhancedPacket, 1500)) - len(block(statistics, 4)),
		2: len(file) - len(block(enhancedPacket, 4)),
		3: len(file),
		4: len(file),
	} {
		for size := 1; size <= len(file); size += 1 + size/8 {
			var got bytes.Buffer
			w := &captureWriter{out: &got, flush: func() error { return nil }, bounded: packets > 0, left: packets}
			var err error
			for at := 0; at < len(file) && err == nil; at += size {
				_, err = w.Write(file[at:min(at+size, len(file))])
			}
			if !bytes.Equal(got.Bytes(), file[:want]) {
				t.Fatalf("%d packets in pieces of %d: passed on %d bytes, want %d", packets, size, got.Len(), want)
			}
			if full := isA[*captureFullError](err); full != (packets > 0 && packets < 4) {
				t.Fatalf("%d packets in pieces of %d: ended with %v", packets, size, err)
			}
		}
	}
}

func TestCapturesEndWithTheirReader(t *testing.T) {
	gone := errors.New("gone")
	w := &captureWriter{out: iotest.TruncateWriter(io.Discard, 0), flush: func() error { return gone }}
	if _, err := w.Write(block(enhancedPacket, 4)); !errors.Is(err, gone) {
		t.Errorf("ended with %v", err)
	}
}

// TestCapturesEndInTime has no packets at all: the file is whole all the same.
func TestCapturesEndInTime(t *testing.T) {
	h := newHarness(t)
	h.servers(2)
	for _, what := range []string{"link=1-0", "link=0-1"} {
		response, err := http.Get("http://" + h.addr + "/api/v1/captures?seconds=0.05&" + what)
		if err != nil {
			t.Fatal(err)
		}
		file, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != 200 || response.Header.Get("Content-Type") != captureType ||
			!bytes.HasPrefix(file, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
			t.Errorf("%s: %s %s %q %v", what, response.Status, response.Header.Get("Content-Type"), file, err)
		}
	}
}
