package oidcupstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/singleflight"
)

// Metadata is what the provider says about itself (OpenID Connect Discovery 3), as far as this package uses it.
type Metadata struct {
	Issuer                string
	AuthorizationEndpoint string
	TokenEndpoint         string
	JWKSURI               string
	UserInfoEndpoint      string   // empty: none
	RevocationEndpoint    string   // empty: none
	ScopesSupported       []string // nil: the provider does not say
	// IssParameter: redirects carry the issuer (RFC 9207).
	IssParameter bool
	// Fetched is when this was fetched, by the configured clock.
	Fetched time.Time
}

// metadata is an immutable snapshot: the values and go-oidc's provider, which owns the cache of signing keys.
type metadata struct {
	Metadata
	provider *oidc.Provider
}

// Discover returns the provider's metadata: the snapshot that other calls use, fetched if there is none yet. Its errors are
// [*Error] with NotSent and ErrMetadata. Useful for health checks, and to have the first login not wait.
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

// metadataRetry is how long an outdated snapshot is used before another attempt to renew it.
const metadataRetry = time.Minute

// lookup returns the current snapshot. Without one it waits for a fetch, which concurrent callers share and none of them
// cancels. An outdated one is still used, and renewed in the background: a provider whose metadata endpoint is down, or has
// become wrong, does not take the token endpoint with it.
func (p *Provider) lookup(ctx context.Context, op string) (*metadata, error) {
	now := p.cfg.Clock()
	if m := p.metadata.Load(); m != nil {
		if due := p.renewAt.Load(); now.UnixNano() >= due && p.renewAt.CompareAndSwap(due, now.Add(metadataRetry).UnixNano()) {
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

// startFetch joins the running fetch or starts one. The channel has room for the result; nobody needs to read it.
func (p *Provider) startFetch(ctx context.Context) <-chan singleflight.Result {
	return p.flights.DoChan("metadata", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.Timeout)
		defer cancel()
		m, err := p.fetch(ctx)
		if err != nil {
			return nil, err
		}
		p.renewAt.Store(m.Fetched.Add(p.cfg.MetadataTTL).UnixNano())
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
	}
	if err := provider.Claims(&doc); err != nil {
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
		if _, err := checkURL(endpoint.url, p.cfg.InsecureHTTP); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrMetadata, endpoint.name, err)
		}
	}
	return &metadata{provider: provider, Metadata: Metadata{
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

// errTooLarge is what reading an answer beyond Config.MaxResponseBytes gives.
var errTooLarge = errors.New("the answer is larger than allowed")

// limitTransport bounds the bodies of all answers, for library code that reads them to the end.
type limitTransport struct {
	base http.RoundTripper
	max  int64
}

func (t *limitTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &limitBody{ReadCloser: resp.Body, left: t.max}
	return resp, nil
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
