// Command mkdictionary makes the preset dictionaries of packages shorthand and msc3079 from samples of Matrix traffic.
//
//	go run ./lowband/mkdictionary -o lowband/shorthand/dictionary1.bin lowband/mkdictionary/traffic/*.json
//	go run ./lowband/mkdictionary -standard -o lowband/msc3079/dictionary1.bin lowband/mkdictionary/traffic/client.json
//
// Each sample is a list of JSON bodies. They are written in shorthand without references and without compression, or in
// MSC3079's CBOR, and the substrings that save most across samples make up the dictionary: those that save most stand at its end, where
// deflate reaches them with the shortest distances. The result depends on the samples alone.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"meshsim/lowband/msc3079"
	"meshsim/lowband/shorthand"
)

func main() {
	out := flag.String("o", "", "file to write the dictionary to")
	size := flag.Int("size", 6144, "bytes of the dictionary")
	standard := flag.Bool("standard", false, "write the samples in MSC3079's CBOR instead of shorthand")
	flag.Parse()
	write := inShorthand
	if *standard {
		write = inStandard
	}
	if err := run(*out, *size, write, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mkdictionary:", err)
		os.Exit(1)
	}
}

func run(out string, size int, write writer, files []string) error {
	if out == "" || len(files) == 0 {
		return fmt.Errorf("name the output with -o and at least one file of samples")
	}
	var samples [][]byte
	for _, name := range files {
		bodies, err := read(name, write)
		if err != nil {
			return err
		}
		samples = append(samples, bodies...)
	}
	return os.WriteFile(out, build(samples, size), 0o644)
}

// writer writes a JSON body as it is on the wire before it is compressed.
type writer func(body []byte) ([]byte, error)

func inShorthand(body []byte) ([]byte, error) {
	message, _ := shorthand.NewCoder().EncodeResponse(shorthand.Response{Status: 200, Body: body}, 200, nil, 0)
	return message, nil
}

func inStandard(body []byte) ([]byte, error) {
	codec, err := msc3079.NewCodec()
	if err != nil {
		return nil, err
	}
	return codec.FromJSON(body, true)
}

// read returns the bodies of a file as they are written.
func read(name string, write writer) ([][]byte, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var bodies []json.RawMessage
	if err := json.Unmarshal(raw, &bodies); err != nil {
		return nil, fmt.Errorf("%s is no list of JSON bodies: %w", name, err)
	}
	var samples [][]byte
	for _, b := range bodies {
		sample, err := write(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		samples = append(samples, sample)
	}
	return samples, nil
}
