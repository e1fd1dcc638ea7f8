package enginetest

import (
	"fmt"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// RefusingPostgres answers whoever connects with an error, until the test ends. It returns the URL of a user with a
// password there.
func RefusingPostgres(t testing.TB, code, message string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		listener.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			refuseStartup(conn, &pgproto3.ErrorResponse{Severity: "FATAL", Code: code, Message: message})
		}
	}()
	return fmt.Sprintf("postgresql://somebody:hidden@%s/postgres?sslmode=disable", listener.Addr())
}

// refuseStartup reads what a client begins with and answers it. A client that does not speak gets nothing.
func refuseStartup(conn net.Conn, with *pgproto3.ErrorResponse) {
	defer conn.Close()
	backend := pgproto3.NewBackend(conn, conn)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		return
	}
	backend.Send(with)
	_ = backend.Flush()
}
