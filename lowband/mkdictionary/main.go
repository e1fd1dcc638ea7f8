// Command mkdictionary makes the preset dictionary of package shorthand from samples of Matrix traffic.
//
//	go run ./lowband/mkdictionary -o lowband/shorthand/dictionary1.bin lowband/mkdictionary/traffic/*.json
//
// Each sample is a list of JSON bodies. They are written in shorthand without references and without compression, and
// the substrings that save most across samples make up the dictionary: those that save most stand at its end, where
// deflate reaches them with the shortest distances. The result depends on the samples alone.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"meshsim/lowband/shorthand"
)

func main() {
	out := flag.String("o", "", "file to write the dictionary to")
	size := flag.Int("size", 6144, "bytes of the dictionary")
	flag.Parse()
	if err := run(*out, *size, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mkdictionary:", err)
		os.Exit(1)
	}
}

func run(out string, size int, files []string) error {
	if out == "" || len(files) == 0 {
		return fmt.Errorf("name the output with -o and at least one file of samples")
	}
	var samples [][]byte
	for _, name := range files {
		bodies, err := read(name)
		if err != nil {
			return err
		}
		samples = append(samples, bodies...)
	}
	return os.WriteFile(out, build(samples, size), 0o644)
}

// read returns the bodies of a file as shorthand writes them.
func read(name string) ([][]byte, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var bodies []json.RawMessage
	if err := json.Unmarshal(raw, &bodies); err != nil {
		return nil, fmt.Errorf("%s is no list of JSON bodies: %w", name, err)
	}
	coder := shorthand.NewCoder()
	var samples [][]byte
	for _, b := range bodies {
		message, _ := coder.EncodeResponse(shorthand.Response{Status: 200, Body: b}, 200, nil, 0)
		samples = append(samples, message)
	}
	return samples, nil
}
