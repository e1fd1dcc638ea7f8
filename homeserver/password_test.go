package homeserver

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func TestPasswords(t *testing.T) {
	p := newPasswords(bcrypt.MinCost)
	for _, password := range []string{"", "secret", "with\x00nul", strings.Repeat("long", 100)} {
		hash, err := p.Hash(password)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := p.Hash(password); again != hash {
			t.Errorf("%.20q was hashed twice", password)
		}
		for _, judge := range []*Passwords{p, newPasswords(bcrypt.MinCost)} {
			for range 2 { // computed, then remembered
				if !judge.Matches(hash, password) {
					t.Errorf("%.20q does not match its hash", password)
				}
				if judge.Matches(hash, password+"x") || judge.Matches("", password) || judge.Matches("no hash", password) {
					t.Errorf("something else matches %.20q", password)
				}
			}
		}
		if bcrypt.CompareHashAndPassword([]byte(hash), fold(password)) != nil {
			t.Errorf("the hash of %.20q is not bcrypt's", password)
		}
	}
}

func TestPasswordsAreSharedAndBounded(t *testing.T) {
	p := newPasswords(bcrypt.MinCost)
	hashes := make([]string, 8)
	var group sync.WaitGroup
	for i := range hashes {
		group.Go(func() { hashes[i], _ = p.Hash("secret") })
	}
	group.Wait()
	for _, hash := range hashes {
		if hash != hashes[0] {
			t.Error("the same password has several hashes")
		}
	}
	for i := range maxVerdicts + 100 {
		p.Matches("no hash", fmt.Sprint(i))
	}
	if len(p.right) > maxVerdicts {
		t.Errorf("%d verdicts are remembered", len(p.right))
	}
}

func BenchmarkPasswordKnown(b *testing.B) {
	p := newPasswords(bcrypt.MinCost)
	hash, err := p.Hash("secret")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Matches(hash, "secret")
	}
}
