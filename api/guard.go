package api

import (
	"crypto/subtle"
	_ "embed"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// guard stands before the control interface and the page. It lets in programs on this machine and the
// page itself, and keeps out what else runs in the same browser:
//
//   - Another page, because its requests carry its origin (Fetch standard, "Origin" header; Fetch Metadata).
//   - A name that was rebound to this machine, because Host is no name of ours. With a token any name is
//     good: the cookie belongs to the name under which it was set.
//
// Where a token is needed, every request must bring it, as a cookie or as a bearer token. A browser that does not is
// asked for it.
type guard struct {
	token string   // empty: none is needed
	names []string // hosts besides localhost and IP addresses under which we are reached
	next  http.Handler
}

// tokenCookie carries the token after the first visit.
const tokenCookie = "meshsim_token"

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.knowsHost(r.Host) {
		writeProblem(w, http.StatusMisdirectedRequest, "this is not "+quoted(r.Host)+"; use localhost or an IP address")
		return
	}
	if !sameOrigin(r) && !visit(r) {
		writeProblem(w, http.StatusForbidden, "requests from other pages are refused; this one comes from "+quoted(r.Header.Get("Origin")))
		return
	}
	if g.token != "" && !g.authorised(r) {
		g.admit(w, r)
		return
	}
	g.next.ServeHTTP(w, r)
}

// knowsHost says whether a request's Host is a name of ours.
func (g *guard) knowsHost(hostport string) bool {
	host := hostname(hostport)
	if host == "" {
		return false
	}
	if host == "localhost" || g.token != "" {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true // an address cannot be rebound
	}
	for _, name := range g.names {
		if strings.EqualFold(host, name) {
			return true
		}
	}
	return false
}

// hostname is a Host header without port and brackets, in lower case and without the root's dot.
func hostname(hostport string) string {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// sameOrigin says whether a request does not come from another page. Browsers say so in Sec-Fetch-Site,
// which no page can set; where it is absent, Origin must be the host that was asked, or the one that a proxy
// in front of us was asked (no page can make a browser send that header to us, because we never allow it
// in answer to a preflight). Programs that are no browsers send neither.
func sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	from, err := url.Parse(origin)
	if err != nil || from.Host == "" {
		return false
	}
	return strings.EqualFold(from.Host, r.Host) || strings.EqualFold(from.Host, r.Header.Get("X-Forwarded-Host"))
}

// visit is somebody who follows a link to the page.
func visit(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Path == "/" && r.Header.Get("Sec-Fetch-Mode") == "navigate"
}

func (g *guard) authorised(r *http.Request) bool {
	if cookie, err := r.Cookie(tokenCookie); err == nil && g.matches(cookie.Value) {
		return true
	}
	scheme, credentials, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && g.matches(strings.TrimSpace(credentials))
}

func (g *guard) matches(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(g.token)) == 1
}

// admit answers whoever has no cookie yet: the page's address with ?token= sets it.
func (g *guard) admit(w http.ResponseWriter, r *http.Request) {
	given := strings.TrimSpace(r.URL.Query().Get("token"))
	if r.URL.Path != "/" || !g.matches(given) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="meshsim"`)
		if wantsPage(r) {
			askForToken(w, given != "")
			return
		}
		writeProblem(w, http.StatusUnauthorized,
			"a token is needed: open the address that meshsim printed when it started, or send Authorization: Bearer TOKEN")
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name:     tokenCookie,
		Value:    g.token,
		Path:     "/",
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode, // Strict would hold it back after a click in a mail or chat
	})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// wantsPage says whether a browser asks for something to show in a window.
func wantsPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// admission is the page that asks for the token. It needs no script.
//
//go:embed admission.html
var admission string

var admissionPage = template.Must(template.New("admission").Parse(admission))

// askForToken answers with the page that asks for the token, again where one was wrong.
func askForToken(w http.ResponseWriter, wrong bool) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
	w.WriteHeader(http.StatusUnauthorized)
	_ = admissionPage.Execute(w, struct{ Wrong bool }{wrong}) // the reader is gone: nobody is left to tell
}
