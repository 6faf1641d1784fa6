package oidcupstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/singleflight"

	"github.com/mytoken-go/sdk/internal/fresh"
	"github.com/mytoken-go/sdk/internal/rescue"
)

// Metadata is the part of the provider's metadata that this package uses (OpenID Connect
// Discovery section 3).
type Metadata struct {
	Issuer                string
	AuthorizationEndpoint string
	TokenEndpoint         string
	JWKSURI               string
	UserInfoEndpoint      string   // empty if there is none
	RevocationEndpoint    string   // empty if there is none
	ScopesSupported       []string // nil if the provider does not say
	// IssParameter says that redirects name the issuer in the parameter iss (RFC 9207).
	IssParameter bool
	// Fetched is when the metadata was fetched, by Config.Clock.
	Fetched time.Time
}

// metadata is an immutable snapshot.
type metadata struct {
	Metadata
	keys       *keySet  // shared by snapshots with the same JWKSURI
	algorithms []string // of signatures
}

// verifier returns a verifier of tokens that the provider signed.
func (m *metadata) verifier(cfg oidc.Config) *oidc.IDTokenVerifier {
	cfg.SupportedSigningAlgs = m.algorithms
	return oidc.NewVerifier(m.Issuer, m.keys, &cfg)
}

// Discover returns the metadata that other calls use. It fetches the metadata if there is
// none yet. Use it for health checks, or before the first login so that the login need
// not wait. It returns an [*Error] with NotSent and [ErrMetadata] if it cannot fetch the
// metadata.
func (p *Provider) Discover(ctx context.Context) (Metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	m, err := p.lookup(ctx, "discover")
	if err != nil {
		return Metadata{}, err
	}
	copied := m.Metadata
	copied.ScopesSupported = slices.Clone(copied.ScopesSupported)
	return copied, nil
}

// metadataRetry is the pause between two attempts to renew an outdated snapshot.
const metadataRetry = time.Minute

// renewal says when to fetch the metadata again: some time after an instant, or at once if
// a clock was set back.
type renewal struct {
	since time.Time
	after time.Duration
}

// lookup returns the current snapshot. If there is none, it waits for a fetch. Concurrent
// callers share the fetch. It continues if the context of a caller ends.
//
// lookup returns an outdated snapshot too, and renews it in the background. So token
// requests keep working while the metadata endpoint is down or wrong.
func (p *Provider) lookup(ctx context.Context, op string) (*metadata, error) {
	now := p.cfg.Clock()
	if m := p.metadata.Load(); m != nil {
		r := p.renewal.Load()
		if !fresh.Within(r.since, r.after, now) && p.renewal.CompareAndSwap(r, &renewal{now, metadataRetry}) {
			p.startFetch(ctx)
		}
		return m, nil
	}
	select {
	case <-ctx.Done():
		return nil, notSent(op, fmt.Errorf("%w: %w", ErrMetadata, context.Cause(ctx)))
	case result := <-p.startFetch(ctx):
		if result.Err != nil {
			return nil, notSent(op, result.Err)
		}
		return result.Val.(*metadata), nil
	}
}

// startFetch joins the running fetch or starts one. The channel is buffered, so nobody
// has to read the result.
func (p *Provider) startFetch(ctx context.Context) <-chan singleflight.Result {
	return p.flights.DoChan("metadata", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.Timeout)
		defer cancel()
		m, err := rescue.Call(func() (*metadata, error) { return p.fetch(ctx) })
		if err != nil {
			rescue.Log(ctx, slog.Default(), "the metadata of a provider", err)
			return nil, err
		}
		p.renewal.Store(&renewal{m.Fetched, p.cfg.MetadataTTL})
		p.metadata.Store(m)
		return m, nil
	})
}

func (p *Provider) fetch(ctx context.Context) (*metadata, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, p.meta), p.cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMetadata, cause(err))
	}
	var doc struct {
		Issuer                string   `json:"issuer"`
		AuthorizationEndpoint string   `json:"authorization_endpoint"`
		TokenEndpoint         string   `json:"token_endpoint"`
		JWKSURI               string   `json:"jwks_uri"`
		UserInfoEndpoint      string   `json:"userinfo_endpoint"`
		RevocationEndpoint    string   `json:"revocation_endpoint"`
		ScopesSupported       []string `json:"scopes_supported"`
		IssParameter          bool     `json:"authorization_response_iss_parameter_supported"`
		Algorithms            []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := provider.Claims(&doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMetadata, cause(err))
	}
	issuer, err := url.Parse(p.cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMetadata, cause(err))
	}
	for _, endpoint := range []struct {
		name, url string
		required  bool
	}{
		{"authorization_endpoint", doc.AuthorizationEndpoint, true},
		{"token_endpoint", doc.TokenEndpoint, true},
		{"jwks_uri", doc.JWKSURI, true},
		{"userinfo_endpoint", doc.UserInfoEndpoint, false},
		{"revocation_endpoint", doc.RevocationEndpoint, false},
	} {
		if endpoint.url == "" && !endpoint.required {
			continue
		}
		if _, err := checkURL(endpoint.url, issuer, p.cfg.InsecureHTTP); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrMetadata, endpoint.name, err)
		}
	}
	var keys *keySet
	if old := p.metadata.Load(); old != nil && old.JWKSURI == doc.JWKSURI {
		keys = old.keys
	} else {
		keys = p.newKeySet(doc.JWKSURI)
	}
	return &metadata{keys: keys, algorithms: signingAlgorithms(doc.Algorithms), Metadata: Metadata{
		Issuer:                doc.Issuer,
		AuthorizationEndpoint: doc.AuthorizationEndpoint,
		TokenEndpoint:         doc.TokenEndpoint,
		JWKSURI:               doc.JWKSURI,
		UserInfoEndpoint:      doc.UserInfoEndpoint,
		RevocationEndpoint:    doc.RevocationEndpoint,
		ScopesSupported:       doc.ScopesSupported,
		IssParameter:          doc.IssParameter,
		Fetched:               p.cfg.Clock(),
	}}, nil
}

// errTooLarge reports a response body above Config.MaxResponseBytes.
var errTooLarge = errors.New("the answer is larger than MaxResponseBytes")

// limitTransport bounds the bodies of all responses, for libraries that read them to the
// end.
type limitTransport struct {
	base http.RoundTripper
	max  int64
}

func (t *limitTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &limitBody{ReadCloser: resp.Body, left: t.max}
	return resp, nil
}

// calmTransport makes an error of a panic, also while a response is read. Some requests
// run on goroutines on which nobody else would recover.
type calmTransport struct{ base http.RoundTripper }

func (t *calmTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	return calm(r.Context(), func() (*http.Response, error) {
		resp, err := base.RoundTrip(r)
		if err == nil {
			resp.Body = &calmBody{resp.Body, r.Context()}
		}
		return resp, err
	})
}

// calmBody is the body of such a response.
type calmBody struct {
	io.ReadCloser
	ctx context.Context
}

func (b *calmBody) Read(buf []byte) (int, error) {
	return calm(b.ctx, func() (int, error) { return b.ReadCloser.Read(buf) })
}

func calm[T any](ctx context.Context, f func() (T, error)) (T, error) {
	v, err := rescue.Call(f)
	rescue.Log(ctx, slog.Default(), "the HTTP client of a provider", err)
	return v, err
}

type limitBody struct {
	io.ReadCloser
	left int64
}

func (b *limitBody) Read(buf []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLarge
	}
	if int64(len(buf)) > b.left+1 {
		buf = buf[:b.left+1]
	}
	n, err := b.ReadCloser.Read(buf)
	b.left -= int64(n)
	if b.left < 0 {
		return n, errTooLarge
	}
	return n, err
}
