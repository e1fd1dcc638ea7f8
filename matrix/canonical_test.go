package matrix_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"meshsim/matrix"
)

// The pairs of the Matrix appendices, "Canonical JSON", "Examples". The last one holds spellings of integers
// that events may not use.
func TestCanonicalJSONPairsOfTheSpecification(t *testing.T) {
	pairs := []struct{ name, in, out string }{
		{"empty", `{}`, `{}`},
		{"spaces", "{\n    \"one\": 1,\n    \"two\": \"Two\"\n}", `{"one":1,"two":"Two"}`},
		{"order", "{\n    \"b\": \"2\",\n    \"a\": \"1\"\n}", `{"a":"1","b":"2"}`},
		{"order-compact", `{"b":"2","a":"1"}`, `{"a":"1","b":"2"}`},
		{
			"nested",
			`{"auth": {"success": true, "mxid": "@john.doe:example.com", "profile": {"display_name": "John Doe",
			"three_pids": [{"medium": "email", "address": "john.doe@example.org"},
			{"medium": "msisdn", "address": "123456789"}]}}}`,
			`{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[` +
				`{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}`,
		},
		{"unicode", `{"a": "日本語"}`, `{"a":"日本語"}`},
		{"unicode-keys", `{"本": 2, "日": 1}`, `{"日":1,"本":2}`},
		{"unicode-escape", `{"a": "\u65E5"}`, `{"a":"日"}`},
		{"null", `{"a": null}`, `{"a":null}`},
		{"integers", `{"a": -0, "b": 1e10}`, `{"a":0,"b":10000000000}`},
	}
	for _, pair := range pairs {
		t.Run(pair.name, func(t *testing.T) {
			got, err := matrix.CanonicalJSONLenient([]byte(pair.in))
			if err != nil || string(got) != pair.out {
				t.Errorf("lenient: got %s (%v), want %s", got, err, pair.out)
			}
			got, err = matrix.CanonicalJSON([]byte(pair.in))
			if pair.name == "integers" {
				if err == nil {
					t.Errorf("strict: %s was accepted as %s", pair.in, got)
				}
				return
			}
			if err != nil || string(got) != pair.out {
				t.Errorf("strict: got %s (%v), want %s", got, err, pair.out)
			}
		})
	}
}

func TestCanonicalJSONSpelling(t *testing.T) {
	cases := []struct{ name, in, out string }{
		{"solidus", `"\/"`, `"/"`},
		{"short-escapes", `"\u0008\u000c\u000a\u000d\u0009\u0022\u005c"`, `"\b\f\n\r\t\"\\"`},
		{"control", `"\u001F\u0000"`, `"\u001f\u0000"`},
		{"delete-is-raw", `"\u007f"`, "\"\x7f\""},
		{"surrogate-pair", `"\ud83d\uDE00"`, `"😀"`},
		{"key-order-by-character", `{"\\":1,"\"":2,"A":3}`, `{"\"":2,"A":3,"\\":1}`},
		{"key-order-beyond-bmp", `{"\ud83d\ude00":1,"\uffee":2}`, "{\"\uffee\":2,\"😀\":1}"},
		{"html-is-raw", `"\u003c&>"`, `"<&>"`},
		{"largest", `[9007199254740991,-9007199254740991]`, `[9007199254740991,-9007199254740991]`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := matrix.CanonicalJSON([]byte(c.in))
			if err != nil || string(got) != c.out {
				t.Errorf("got %s (%v), want %s", got, err, c.out)
			}
		})
	}
}

func TestCanonicalJSONRefuses(t *testing.T) {
	cases := []struct{ name, in string }{
		{"empty", ``},
		{"trailing-data", `{} {}`},
		{"trailing-comma", `[1,]`},
		{"missing-colon", `{"a" 1}`},
		{"missing-value", `{"a":}`},
		{"bare-key", `{a:1}`},
		{"unterminated-object", `{"a":1`},
		{"unterminated-array", `[1`},
		{"unterminated-string", `"a`},
		{"unterminated-escape", `"a\`},
		{"unknown-escape", `"\x"`},
		{"short-unicode-escape", `"\u12"`},
		{"high-surrogate-alone", `"\ud83d"`},
		{"low-surrogate-alone", `"\ude00"`},
		{"control-character", "\"\x01\""},
		{"invalid-utf8", "\"\xff\""},
		{"half-literal", `tru`},
		{"float", `1.5`},
		{"integral-float", `1.0`},
		{"exponent", `1e3`},
		{"negative-zero", `-0`},
		{"leading-zero", `01`},
		{"plus", `+1`},
		{"minus-alone", `-`},
		{"too-large", `9007199254740992`},
		{"too-small", `-9007199254740992`},
		{"huge", `99999999999999999999999`},
		{"duplicate-key", `{"a":1,"a":2}`},
		{"duplicate-key-by-escape", `{"a":1,"\u0061":2}`},
		{"duplicate-key-unsorted", `{"b":1,"a":2,"b":3}`},
		{"too-deep", strings.Repeat("[", 1000) + strings.Repeat("]", 1000)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := matrix.CanonicalJSON([]byte(c.in))
			var jsonErr *matrix.JSONError
			if !errors.As(err, &jsonErr) {
				t.Errorf("got %s and error %v, want a *JSONError", got, err)
			}
		})
	}
}

// naiveCanonical decodes with encoding/json and writes what it decoded.
func naiveCanonical(raw []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "error: " + err.Error()
	}
	var out strings.Builder
	writeNaive(&out, value)
	return out.String()
}

func writeNaive(out *strings.Builder, value any) {
	switch v := value.(type) {
	case map[string]any:
		var members []string
		for key := range v {
			members = append(members, key)
		}
		slices.Sort(members)
		for i, key := range members {
			out.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
			writeNaive(out, key)
			out.WriteByte(':')
			writeNaive(out, v[key])
		}
		if len(members) == 0 {
			out.WriteByte('{')
		}
		out.WriteByte('}')
	case []any:
		out.WriteByte('[')
		for i, element := range v {
			if i > 0 {
				out.WriteByte(',')
			}
			writeNaive(out, element)
		}
		out.WriteByte(']')
	case string:
		out.WriteByte('"')
		for _, r := range v {
			writeNaiveRune(out, r)
		}
		out.WriteByte('"')
	case nil:
		out.WriteString("null")
	default:
		fmt.Fprint(out, v)
	}
}

func writeNaiveRune(out *strings.Builder, r rune) {
	short := map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}
	switch {
	case short[r] != "":
		out.WriteString(short[r])
	case r < 0x20:
		fmt.Fprintf(out, `\u%04x`, r)
	default:
		out.WriteRune(r)
	}
}

// jsonValue draws a JSON value of at most the given depth.
func jsonValue(depth int) *rapid.Generator[any] {
	scalars := []*rapid.Generator[any]{
		rapid.Just[any](nil),
		rapid.Bool().AsAny(),
		rapid.Int64Range(-matrix.MaxSafeInteger, matrix.MaxSafeInteger).AsAny(),
		rapid.String().AsAny(),
	}
	if depth == 0 {
		return rapid.OneOf(scalars...)
	}
	return rapid.OneOf(append(scalars,
		rapid.SliceOfN(jsonValue(depth-1), 0, 4).AsAny(),
		rapid.MapOfN(rapid.String(), jsonValue(depth-1), 0, 5).AsAny(),
	)...)
}

func TestCanonicalJSONAgreesWithANaiveEncoder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw, err := json.Marshal(jsonValue(4).Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := matrix.CanonicalJSON(raw)
		if err != nil {
			t.Fatal(err)
		}
		if want := naiveCanonical(raw); string(got) != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

func FuzzCanonicalJSON(f *testing.F) {
	for _, seed := range []string{
		`{"b":"2","a":[1,-2,{"c":null}]}`, `"\ud83d\ude00\u0000"`, `{"\\":1,"\"":2}`, `{"a":1,"a":2}`, `-0`, `[[[[`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		out, err := matrix.CanonicalJSON(raw)
		if err != nil {
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("%q is not JSON but was accepted", raw)
		}
		if want := naiveCanonical(raw); string(out) != want {
			t.Fatalf("got %s, want %s", out, want)
		}
		again, err := matrix.CanonicalJSON(out)
		if err != nil || !bytes.Equal(again, out) {
			t.Fatalf("%s is not stable: %s (%v)", out, again, err)
		}
		checkMembers(t, out)
		checkElements(t, out)
	})
}

// checkElements compares the walk over elements with encoding/json.
func checkElements(t *testing.T, array []byte) {
	var want []json.RawMessage
	if array[0] == '[' && json.Unmarshal(array, &want) != nil {
		t.Fatalf("%s is no array", array)
	}
	same := func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }
	if got := slices.Collect(matrix.Elements(array)); !slices.EqualFunc(got, want, same) {
		t.Fatalf("elements of %s are %s, want %s", array, got, want)
	}
}

func TestWalksIgnoreOtherValues(t *testing.T) {
	for _, value := range []string{``, `""`, `"a"`, `7`, `null`, `["a",1]`, `[["a"]]`} {
		for m := range matrix.Members([]byte(value)) {
			t.Errorf("%s has the member %s", value, m.Raw)
		}
	}
	for _, value := range []string{``, `""`, `"a"`, `7`, `null`, `{"a":1}`} {
		for e := range matrix.Elements([]byte(value)) {
			t.Errorf("%s has the element %s", value, e)
		}
	}
}

// checkMembers compares the walk over members with encoding/json.
func checkMembers(t *testing.T, object []byte) {
	var want map[string]json.RawMessage
	if object[0] != '{' || json.Unmarshal(object, &want) != nil {
		return
	}
	seen := 0
	for m := range matrix.Members(object) {
		var key string
		if err := json.Unmarshal([]byte(`"`+string(m.Key)+`"`), &key); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want[key], m.Value) {
			t.Fatalf("member %q of %s is %s, want %s", key, object, m.Value, want[key])
		}
		seen++
	}
	if seen != len(want) {
		t.Fatalf("%d members of %s, want %d", seen, object, len(want))
	}
	if got := matrix.AppendFiltered(nil, object, func([]byte) bool { return true }); !bytes.Equal(got, object) {
		t.Fatalf("keeping all members of %s gives %s", object, got)
	}
}

// FuzzMembers shows that the walk ends on input that is not canonical, too.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"`, `{"a`, `{"a":`, `{"a"`, `{"a":"`, `{"a\`, `{"a":{]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		size := 0
		for m := range matrix.Members(raw) {
			size += len(m.Raw)
		}
		for e := range matrix.Elements(raw) {
			size += len(e)
		}
		if size > len(raw) {
			t.Fatalf("members or elements of %q overlap", raw)
		}
	})
}

func BenchmarkCanonicalJSON(b *testing.B) {
	event := []byte(`{"type":"m.room.message","sender":"@alice:hs1","room_id":"!abcdefghijklmnop:hs1","content":` +
		`{"msgtype":"m.text","body":"hello, world of meshes"},"origin_server_ts":1700000000000,"depth":12,` +
		`"prev_events":["$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg"],"auth_events":` +
		`["$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg","$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zh"],` +
		`"hashes":{"sha256":"5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"},"signatures":{"hs1":{"ed25519:1":` +
		`"KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg"}}}`)
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := matrix.CanonicalJSON(event); err != nil {
			b.Fatal(err)
		}
	}
}
