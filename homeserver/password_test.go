package homeserver

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/bcrypt"
)

func TestPasswords(t *testing.T) {
	p := newPasswords(bcrypt.MinCost)
	for _, password := range []string{"", "secret", "with\x00nul", strings.Repeat("long", 100)} {
		hash, err := p.Hash(t.Context(), password)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := p.Hash(t.Context(), password); again != hash {
			t.Errorf("%.20q was hashed twice", password)
		}
		for _, judge := range []*Passwords{p, newPasswords(bcrypt.MinCost)} {
			for range 2 { // computed, then remembered
				if !matches(t, judge, hash, password) {
					t.Errorf("%.20q does not match its hash", password)
				}
				if matches(t, judge, hash, password+"x") || matches(t, judge, "", password) || matches(t, judge, "no hash", password) {
					t.Errorf("something else matches %.20q", password)
				}
			}
		}
		if bcrypt.CompareHashAndPassword([]byte(hash), fold(password)) != nil {
			t.Errorf("the hash of %.20q is not bcrypt's", password)
		}
	}
}

func matches(t testing.TB, p *Passwords, hash, password string) bool {
	t.Helper()
	right, err := p.Matches(t.Context(), hash, password)
	if err != nil {
		t.Fatal(err)
	}
	return right
}

// TestPasswordsTakeTurns: no more are looked at than there are processors, and who has gone is not waited for.
func TestPasswordsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPasswords(bcrypt.MinCost)
		for range runtime.GOMAXPROCS(0) {
			p.slots <- struct{}{} // all processors are busy
		}
		ctx, leave := context.WithCancel(t.Context())
		var patient, gone error
		var group sync.WaitGroup
		group.Go(func() { _, patient = p.Matches(t.Context(), "no hash", "a guess") })
		group.Go(func() { _, gone = p.Matches(ctx, "no hash", "another") })
		synctest.Wait()
		leave()
		synctest.Wait()
		if !errors.Is(gone, context.Canceled) {
			t.Errorf("a guess of who has gone: %v", gone)
		}
		if _, err := p.Hash(ctx, "secret"); !errors.Is(err, context.Canceled) {
			t.Errorf("a password of who has gone: %v", err)
		}
		if len(p.right) != 0 {
			t.Error("a password was looked at while all processors were busy")
		}
		<-p.slots
		group.Wait()
		if patient != nil || len(p.right) != 1 {
			t.Errorf("of one who waited %d passwords were looked at: %v", len(p.right), patient)
		}
	})
}

func TestPasswordsAreSharedAndBounded(t *testing.T) {
	p := newPasswords(bcrypt.MinCost)
	hashes := make([]string, 8)
	var group sync.WaitGroup
	for i := range hashes {
		group.Go(func() { hashes[i], _ = p.Hash(t.Context(), "secret") })
	}
	group.Wait()
	for _, hash := range hashes {
		if hash != hashes[0] {
			t.Error("the same password has several hashes")
		}
	}
	for i := range maxVerdicts + 100 {
		matches(t, p, "no hash", fmt.Sprint(i))
	}
	if len(p.right) > maxVerdicts {
		t.Errorf("%d verdicts are remembered", len(p.right))
	}
}

func BenchmarkPasswordKnown(b *testing.B) {
	p := newPasswords(bcrypt.MinCost)
	hash, err := p.Hash(b.Context(), "secret")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		matches(b, p, hash, "secret")
	}
}
