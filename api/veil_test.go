package api

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

// throughVeil is what a server gets of what a client sends.
func throughVeil(t *testing.T, r io.Reader) string {
	t.Helper()
	got, err := io.ReadAll(&veiled{Conn: readerConn{r}})
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestOurCookieIsVeiled(t *testing.T) {
	for slug, c := range map[string]struct{ sent, want string }{
		"alone":           {"GET / HTTP/1.1\r\nCookie: meshsim_token=sesame\r\n\r\n", "GET / HTTP/1.1\r\nCookie: meshsim_token=xxxxxx\r\n\r\n"},
		"among-others":    {"GET / HTTP/1.1\r\ncookie:a=b; meshsim_token=sesame;c=d\r\n\r\n", "GET / HTTP/1.1\r\ncookie:a=b; meshsim_token=xxxxxx;c=d\r\n\r\n"},
		"twice-and-lf":    {"GET / HTTP/1.1\nCOOKIE: meshsim_token=1; meshsim_token=2\n\n", "GET / HTTP/1.1\nCOOKIE: meshsim_token=x; meshsim_token=x\n\n"},
		"second-request":  {"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\na\r\nGET / HTTP/1.1\r\nCookie: meshsim_token=s\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\na\r\nGET / HTTP/1.1\r\nCookie: meshsim_token=x\r\n\r\n"},
		"longer-name":     {"GET / HTTP/1.1\r\nCookie: meshsim_tokens=a; my_meshsim_token=b; a=meshsim_token=c\r\n\r\n", ""},
		"other-header":    {"GET / HTTP/1.1\r\nX-Cookie: meshsim_token=a\r\nSet-Cookie: meshsim_token=b\r\n\r\n", ""},
		"in-a-body":       {"PUT / HTTP/1.1\r\nContent-Length: 30\r\n\r\n{\"body\":\"meshsim_token=sesame\"}", ""},
		"body-ends-alike": {"PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\nmeshsim_t", ""},
	} {
		t.Run(slug, func(t *testing.T) {
			if c.want == "" {
				c.want = c.sent
			}
			for how, r := range map[string]io.Reader{"at once": strings.NewReader(c.sent), "byte by byte": iotest.OneByteReader(strings.NewReader(c.sent))} {
				if got := throughVeil(t, r); got != c.want {
					t.Errorf("%s: got %q, want %q", how, got, c.want)
				}
			}
		})
	}
}

// A browser's cookie for the page reaches no server, neither by a client port nor by a server's name.
func TestServersDoNotSeeTheTokensCookie(t *testing.T) {
	free, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := free.Addr().(*net.TCPAddr).Port
	free.Close()
	h := newHarness(t, withToken("sesame"), withClientPorts(base))
	h.servers(1)
	for {
		ports, changed := h.front.ports.all()
		if ports[0].port != 0 {
			break
		}
		within(t, changed)
	}
	for host, addr := range map[string]string{"localhost": net.JoinHostPort("127.0.0.1", strconv.Itoa(base)), "hs0.localhost": h.addr} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		request := "GET / HTTP/1.1\r\nHost: " + host + "\r\nCookie: a=b; meshsim_token=sesame\r\n\r\n"
		if _, err := io.WriteString(conn, request+request); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		if want := strings.ReplaceAll(request, "sesame", "xxxxxx"); err != nil || string(got) != "server 0\n"+want+want+"bye" {
			t.Errorf("%s: the server got %q, %v", host, got, err)
		}
		conn.Close()
	}
}

// Whatever is sent, its length and all but the value stay, and how it arrives does not matter.
func FuzzVeil(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nCookie: a=b; meshsim_token=sesame\r\n\r\n")
	f.Add("\n\ncookie:;;meshsim_token=;")
	f.Fuzz(func(t *testing.T, sent string) {
		got := throughVeil(t, strings.NewReader(sent))
		if bytewise := throughVeil(t, iotest.OneByteReader(strings.NewReader(sent))); got != bytewise || len(got) != len(sent) {
			t.Fatalf("%q becomes %q at once and %q byte by byte", sent, got, bytewise)
		}
		if !bytes.Contains([]byte(strings.ToLower(sent)), []byte(cookieHeader)) && got != sent {
			t.Fatalf("%q becomes %q", sent, got)
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(got)))
		if err != nil {
			return
		}
		for _, c := range r.CookiesNamed(tokenCookie) {
			if strings.Trim(c.Value, "x") != "" {
				t.Errorf("of %q the server reads %q", sent, c.Value)
			}
		}
	})
}
