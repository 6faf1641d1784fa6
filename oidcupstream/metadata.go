package oidcupstream

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
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
	ScopesSupported       []string // at most the first 1,024; nil if the provider does not say
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
	offline    bool     // the provider supports the scope offline_access, or does not say
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
	return m.copied(), nil
}

// Discovered returns the metadata that other calls use, or false if none has been fetched
// yet. It waits for nothing and fetches nothing, so that a page can use it.
func (p *Provider) Discovered() (Metadata, bool) {
	m := p.metadata.Load()
	if m == nil {
		return Metadata{}, false
	}
	return m.copied(), true
}

func (m *metadata) copied() Metadata {
	copied := m.Metadata
	copied.ScopesSupported = slices.Clone(copied.ScopesSupported)
	return copied
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
	if left := p.documents.left(now); left > 0 {
		e := pausedError(op, left)
		e.err = fmt.Errorf("%w: %w", ErrMetadata, e.err)
		return nil, e
	}
	select {
	case <-ctx.Done():
		return nil, notSent(op, fmt.Errorf("%w: %w", ErrMetadata, context.Cause(ctx)))
	case result := <-p.startFetch(ctx):
		if result.Err != nil {
			e := notSent(op, result.Err)
			e.RetryAfter = p.documents.left(p.cfg.Clock())
			return nil, e
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
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, p.pausing(&p.documents)), p.cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMetadata, cause(err))
	}
	var doc struct {
		Issuer                string          `json:"issuer"`
		AuthorizationEndpoint string          `json:"authorization_endpoint"`
		TokenEndpoint         string          `json:"token_endpoint"`
		JWKSURI               string          `json:"jwks_uri"`
		UserInfoEndpoint      string          `json:"userinfo_endpoint"`
		RevocationEndpoint    string          `json:"revocation_endpoint"`
		ScopesSupported       json.RawMessage `json:"scopes_supported"`
		IssParameter          bool            `json:"authorization_response_iss_parameter_supported"`
		Algorithms            []string        `json:"id_token_signing_alg_values_supported"`
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
	scopes, offline, err := supportedScopes(doc.ScopesSupported)
	if err != nil {
		return nil, fmt.Errorf("%w: scopes_supported: %w", ErrMetadata, err)
	}
	return &metadata{keys: keys, algorithms: signingAlgorithms(doc.Algorithms), offline: offline, Metadata: Metadata{
		Issuer:                doc.Issuer,
		AuthorizationEndpoint: doc.AuthorizationEndpoint,
		TokenEndpoint:         doc.TokenEndpoint,
		JWKSURI:               doc.JWKSURI,
		UserInfoEndpoint:      doc.UserInfoEndpoint,
		RevocationEndpoint:    doc.RevocationEndpoint,
		ScopesSupported:       scopes,
		IssParameter:          doc.IssParameter,
		Fetched:               p.cfg.Clock(),
	}}, nil
}

// supportedScopes reads scopes_supported, and whether it has offline_access. A provider
// that supports very many scopes is searched once, and not at each login.
func supportedScopes(raw json.RawMessage) (scopes []string, offline bool, err error) {
	if len(raw) > 0 && json.Unmarshal(raw, &scopes) != nil {
		return nil, false, errListType
	}
	if scopes == nil {
		return nil, true, nil
	}
	offline = slices.Contains(scopes, scopeOfflineAccess)
	return slices.Clone(scopes[:min(len(scopes), maxListed)]), offline, nil
}
