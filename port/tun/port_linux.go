package tun

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"meshsim/fabric"
)

// Device is a TUN device that is a fabric's port. It is safe for concurrent use.
//
//	Attach -> attached --Close--> closed
//
// When its namespace ends, because the last process in it has, the device is dead but stays attached until Close.
type Device struct {
	file    *os.File
	raw     syscall.RawConn
	wire    *fabric.Attachment
	reading sync.WaitGroup
	refused atomic.Uint64
}

// Attach makes a device in a namespace, with the addresses of node, and attaches it to f. Close removes both.
func Attach(f *fabric.Fabric, node fabric.NodeConfig, ns *Namespace, cfg Config) (*Device, error) {
	d := &Device{}
	err := ns.Do(func() (err error) {
		d.file, err = open(cfg.complete(), node.Addrs)
		return err
	})
	if err != nil {
		return nil, err
	}
	if d.raw, err = d.file.SyscallConn(); err == nil {
		d.wire, err = f.Attach(node, d)
	}
	if err != nil {
		d.file.Close()
		return nil, fmt.Errorf("tun: attach %s: %w", node.Name, err)
	}
	d.reading.Go(d.read)
	return d, nil
}

// Close takes the device out of the fabric and away from its namespace, and waits. It is idempotent.
func (d *Device) Close() {
	d.wire.Close()
	d.file.Close()
	d.reading.Wait()
}

// Refused counts the packets that were not taken, in either direction: not well formed, cut finer than TCP does, or the
// device is dead.
func (d *Device) Refused() uint64 { return d.refused.Load() }

// Deliver implements fabric.Port.
func (d *Device) Deliver(batch []fabric.Packet) {
	written := 0
	err := d.raw.Write(func(fd uintptr) bool {
		for _, p := range batch {
			if write(int(fd), p) {
				written++
			}
		}
		return true
	})
	if err != nil || written < len(batch) {
		d.refused.Add(uint64(len(batch) - written))
	}
	for _, p := range batch {
		fabric.Free(p.Data)
	}
}

// write hands a packet to the kernel.
func write(fd int, p fabric.Packet) bool {
	h, ok := toKernel(p)
	if !ok {
		return false
	}
	var header [headerSize]byte
	h.encode(&header)
	_, err := unix.Writev(fd, [][]byte{header[:], p.Data})
	return err == nil
}

// What is read at once is sent at once. A batch of full packets is bounded by its count, one of superpackets by its
// bytes.
const (
	maxBatch      = 64
	maxBatchBytes = 1 << 20
	maxPacket     = 1<<16 - 1 // the largest that the kernel gives
	smallPacket   = 2 << 10   // copied, so that it does not hold a large buffer
)

// read moves packets from the kernel into the fabric until the device is closed or dead.
func (d *Device) read() {
	batch := make([]fabric.Packet, 0, maxBatch)
	for {
		var dead error
		err := d.raw.Read(func(fd uintptr) bool {
			batch, dead = d.readBatch(int(fd), batch[:0])
			return len(batch) > 0 || dead != nil
		})
		if len(batch) > 0 {
			d.wire.Send(batch)
			clear(batch)
		}
		if err != nil || dead != nil {
			return
		}
	}
}

// readBatch reads what is there. The error is that of a device that has ended.
func (d *Device) readBatch(fd int, batch []fabric.Packet) ([]fabric.Packet, error) {
	var header [headerSize]byte
	for bytes := 0; len(batch) < maxBatch && bytes < maxBatchBytes; {
		buffer := fabric.Alloc(maxPacket)
		n, err := unix.Readv(fd, [][]byte{header[:], buffer})
		if err != nil {
			fabric.Free(buffer)
			if err == unix.EAGAIN {
				return batch, nil
			}
			return batch, os.NewSyscallError("readv", err)
		}
		p, ok := fromKernel(decodeHeader(&header), fit(buffer, max(0, n-headerSize)))
		if !ok || len(p.Data) == 0 {
			d.refused.Add(1)
			fabric.Free(p.Data)
			continue
		}
		batch = append(batch, p)
		bytes += len(p.Data)
	}
	return batch, nil
}

// fit returns the first n bytes of buffer, in a buffer of their own where they are few.
func fit(buffer []byte, n int) []byte {
	if n > smallPacket {
		return buffer[:n]
	}
	small := fabric.Alloc(n)
	copy(small, buffer)
	fabric.Free(buffer)
	return small
}
