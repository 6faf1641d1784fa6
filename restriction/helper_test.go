package restriction

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/stretchr/testify/require"
)

// epoch is the present of the tests.
var epoch = time.Unix(1_800_000_000, 0)

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

func mustParse(t require.TestingT, text string) List {
	list, err := Parse([]byte(text))
	require.NoError(t, err, text)
	return list
}

func mustEncode(t require.TestingT, list List) string {
	text, err := list.AppendJSON(nil)
	require.NoError(t, err)
	return string(text)
}

func mustCompile(t require.TestingT, list List, options Options) *Policy {
	p, err := Compile(list, options)
	require.NoError(t, err)
	return p
}

// fakeDNS answers from two maps. A name that is missing does not exist.
type fakeDNS struct {
	names map[string][]string // by address
	addrs map[string][]string // by name, with the dot
	fail  error               // for every question
	asked func(question string)
}

func (f fakeDNS) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	return f.answer(ctx, f.names, addr)
}

func (f fakeDNS) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if network != "ip" {
		return nil, errors.New("unexpected network " + network)
	}
	texts, err := f.answer(ctx, f.addrs, host)
	addrs := make([]netip.Addr, len(texts))
	for i, text := range texts {
		addrs[i] = addr(text)
	}
	return addrs, err
}

func (f fakeDNS) answer(ctx context.Context, from map[string][]string, question string) ([]string, error) {
	if f.asked != nil {
		f.asked(question)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.fail != nil {
		return nil, f.fail
	}
	if answer, ok := from[question]; ok {
		return answer, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: question, IsNotFound: true}
}

// fakeGeo is a Locator. An address that is missing is unknown.
type fakeGeo map[string]string

func (f fakeGeo) Country(_ context.Context, a netip.Addr) (string, error) {
	code := f[a.String()]
	if code == "fail" {
		return "", errors.New("database is closed")
	}
	return code, nil
}

// failingForward finds names and no addresses.
type failingForward struct{ fakeDNS }

func (failingForward) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, errors.New("forward is down")
}

// hangingDNS answers when the context ends.
type hangingDNS struct{}

func (hangingDNS) LookupAddr(ctx context.Context, _ string) ([]string, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hangingDNS) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// fixed always gives the same answer.
type fixed struct{ err error }

func (f fixed) Check(*Request) error         { return f.err }
func (f fixed) Within(parent Condition) bool { return parent == Condition(f) }

var (
	errNo = errors.New("no")
	yes   = fixed{}
	no    = fixed{errNo}
	maybe = fixed{ErrUndetermined}
)

// objectingUntil objects until an instant that it knows.
type objectingUntil struct{ at time.Time }

func (c objectingUntil) Check(r *Request) error {
	if r.Now.Before(c.at) {
		return errors.New("patience")
	}
	return nil
}
func (c objectingUntil) Within(Condition) bool { return false }
func (c objectingUntil) Next(r *Request) (time.Time, bool) {
	return c.at, r.Now.Before(c.at)
}

// objecting always objects and does not know until when.
type objecting struct{ err error }

func (c objecting) Check(*Request) error    { return c.err }
func (c objecting) Within(p Condition) bool { return p == c }

// broken breaks the contract of Next, because its instant is not later.
type broken struct{}

func (broken) Check(*Request) error              { return errors.New("no") }
func (broken) Within(Condition) bool             { return false }
func (broken) Next(r *Request) (time.Time, bool) { return r.Now, true }

// oscillating changes all the time and never admits.
type oscillating struct{ broken }

func (oscillating) Next(r *Request) (time.Time, bool) { return r.Now.Add(time.Second), true }

// muteUntil objects until an instant that it does not reveal.
type muteUntil struct{ at time.Time }

func (c muteUntil) Check(r *Request) error { return objectingUntil(c).Check(r) }
func (c muteUntil) Within(Condition) bool  { return false }

// neverFactory makes a condition that admits nothing.
func neverFactory([]byte) (Condition, error) { return Not(All()), nil }
