package rest_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest"
)

var behindProxy = func(o *setup) { o.rest.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// TestD02_GuessingIsHopeless: with 10,000 live codes and 1,000 failed guesses a second
// from any number of addresses, the probability of finding one in time is below 10⁻⁶, by
// the length of the codes alone. // proves P7
func TestD02_GuessingIsHopeless(t *testing.T) {
	for _, length := range []int{0, 12} { // the default, and the shortest that is allowed
		s := start(t, func(o *setup) { o.Config = func(c *issuer.Config) { c.TransferCodeLength = length } })
		codes := map[string][]string{}
		token := mytoken.NewSecret(s.token(mytoken.Properties{}))
		for range 200 {
			native, err := s.Issuer.StartNative(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer()})
			if err != nil {
				t.Fatal(err)
			}
			transfer, err := s.Issuer.Transfer(t.Context(), issuer.TransferRequest{Token: token, Client: mytokentest.Client})
			if err != nil {
				t.Fatal(err)
			}
			codes["polling"] = append(codes["polling"], native.PollingCode.Reveal())
			codes["consent"] = append(codes["consent"], native.ConsentCode.Reveal())
			codes["transfer"] = append(codes["transfer"], transfer.Code.Reveal())
		}
		for kind, all := range codes {
			letters := make(map[rune]bool)
			for _, c := range all {
				for _, r := range c {
					letters[r] = true
				}
			}
			space := math.Pow(float64(len(letters)), float64(len(all[0])))
			const live, perSecond, lifetime = 10_000, 1_000, 300
			if p := live * perSecond * lifetime / space; p >= 1e-6 || len(letters) < 40 {
				t.Errorf("%s codes of %d characters of %d: probability %g", kind, len(all[0]), len(letters), p)
			}
		}
	}
}

func (s *service) guess(grant, address string) *reply {
	s.t.Helper()
	code := fmt.Sprintf("%014d", rand.Uint64()%1e14)
	return s.post("/api/v0/token/my", m{"grant_type": grant, grant: code}, "X-Forwarded-For", address)
}

// TestAttackerDoesNotStopOthers: an attacker guesses until the limit. From then on the
// attacker is stopped and nobody else is, not even behind the same address.
func TestAttackerDoesNotStopOthers(t *testing.T) {
	s := start(t, behindProxy, func(o *setup) { o.rest.Guesses = rest.GuessLimits{PerAddress: 5, Overall: 12} })
	const attacker, victim = "192.0.2.66", "192.0.2.1"
	_, polling := s.startNative(nil)
	token := s.token(mytoken.Properties{})
	transfer := s.object(s.post("/api/v0/token/transfer", m{"mytoken": token}), 200)["transfer_code"].(string)

	for range 5 {
		s.fails(s.guess("polling_code", attacker), 401, "invalid_token", "Bad polling or transfer code")
	}
	refused := s.guess("transfer_code", attacker)
	s.fails(refused, 429, "Too Many Requests", "too many failed attempts")
	if refused.Header.Get("Retry-After") != "3" {
		t.Errorf("Retry-After %q", refused.Header.Get("Retry-After"))
	}
	for path, accept := range map[string]string{"/c/abcdefghijkmno": "text/html", "/c/abcdefghijkmnp": "application/json"} {
		if r := s.do(http.MethodGet, path, "", "X-Forwarded-For", attacker, "Accept", accept); r.StatusCode != 429 {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
	if r := s.post("/api/v0/token/revoke", m{"token": "abcdefghijkmno"}, "X-Forwarded-For", attacker); r.StatusCode != 429 {
		t.Errorf("revocation: %d", r.StatusCode)
	}
	for n := 10; n < 22; n++ { // and from all over, until the overall limit
		s.guess("polling_code", fmt.Sprint("192.0.2.", n))
		s.guess("polling_code", fmt.Sprint("192.0.2.", n))
	}

	poll := func(s *service, address string) *reply {
		return s.post("/api/v0/token/my", m{"grant_type": "polling_code", "polling_code": polling}, "X-Forwarded-For", address)
	}
	for range 50 {
		s.fails(poll(s, victim), 428, "authorization_pending", "")
		s.fails(poll(s, attacker), 428, "authorization_pending", "") // the same NAT
	}
	// Another process knows none of this, and is under attack too.
	other := s.restart(nil, rest.Options{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Guesses: rest.GuessLimits{PerAddress: 1, Overall: 1},
	})
	for range 3 {
		other.guess("polling_code", attacker)
	}
	s.fails(other.guess("polling_code", attacker), 429, "Too Many Requests", "too many failed attempts")
	s.fails(poll(other, attacker), 428, "authorization_pending", "")
	s.fails(poll(other, victim), 428, "authorization_pending", "")

	got := s.post("/api/v0/token/my", m{"grant_type": "transfer_code", "transfer_code": transfer}, "X-Forwarded-For", attacker)
	if s.object(got, 200)["mytoken"] == "" {
		t.Error("a good transfer code was refused")
	}
	// A forged header does not give an attacker new addresses.
	direct := start(t, func(o *setup) { o.rest.Guesses = rest.GuessLimits{PerAddress: 5} })
	for n := range 5 {
		direct.guess("polling_code", fmt.Sprint("198.51.100.", n))
	}
	direct.fails(direct.guess("polling_code", "198.51.100.99"), 429, "Too Many Requests", "too many failed attempts")
}

// TestMarksAreNotAWayAround: a code with a forged mark counts like any other.
func TestMarksAreNotAWayAround(t *testing.T) {
	s := start(t, func(o *setup) { o.rest.Guesses = rest.GuessLimits{PerAddress: 2} })
	_, polling := s.startNative(nil)
	for range 2 {
		forged := strings.Repeat("A", 24) + polling[24:]
		s.fails(s.poll(forged), 401, "invalid_token", "Bad polling or transfer code")
	}
	s.fails(s.poll(strings.Repeat("B", 24)+polling[24:]), 429, "Too Many Requests", "too many failed attempts")
	s.fails(s.poll(polling), 428, "authorization_pending", "")
}
