package client

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// Metadata is what a server says about itself (protocol section 5.1).
type Metadata struct {
	Issuer    string
	Providers []Provider
	Version   string
	// TokeninfoActions are the actions of the tokeninfo endpoint.
	TokeninfoActions []string
	// GrantTypes are those of the mytoken endpoint.
	GrantTypes []string
	// RestrictionKeys are the keys of restrictions that the server evaluates.
	RestrictionKeys []string
	JWKSURI         string
	Documentation   string
	// IdempotencyKeys says that the server counts a request once that the client repeats
	// after its answer was lost (protocol section 5.0.9).
	IdempotencyKeys bool

	endpoints map[endpoint]string
}

// Supports reports whether the tokeninfo endpoint knows an action.
func (m *Metadata) Supports(action string) bool { return slices.Contains(m.TokeninfoActions, action) }

// Provider is an OpenID provider of a server.
type Provider struct {
	Issuer string
	Name   string
	Scopes []string
}

// endpoint is the name of an endpoint, as errors show it.
type endpoint string

const (
	endpointMytoken     endpoint = "mytoken"
	endpointAccessToken endpoint = "access token"
	endpointTokeninfo   endpoint = "tokeninfo"
	endpointRevocation  endpoint = "revocation"
	endpointTransfer    endpoint = "token transfer"
	endpointProfiles    endpoint = "profiles"
	endpointSettings    endpoint = "user settings"
)

// metadataCache keeps a document in a channel. The channel is empty while a caller
// fetches the document.
type metadataCache struct{ slot chan cachedMetadata }

type cachedMetadata struct {
	document *Metadata
	life     span
}

func newMetadataCache() *metadataCache {
	slot := make(chan cachedMetadata, 1)
	slot <- cachedMetadata{}
	return &metadataCache{slot}
}

// Metadata returns the discovery document of the server and keeps it for
// Config.MetadataLife, or until a clock is set back. One caller fetches it while all
// others wait. Do not change the result. Errors are [*Error], [*NetworkError] and
// [*AnswerError].
func (c *Client) Metadata(ctx context.Context) (*Metadata, error) {
	var kept cachedMetadata
	select {
	case kept = <-c.metadata.slot:
	case <-ctx.Done():
		return nil, &NetworkError{Operation: c.discovery(), Err: ctx.Err()}
	}
	defer func() { c.metadata.slot <- kept }()
	asked := c.now()
	if !kept.life.over(asked) {
		return kept.document, nil
	}
	document, err := c.fetchMetadata(ctx)
	if err != nil {
		return nil, err
	}
	kept = cachedMetadata{document, span{asked, c.cfg.MetadataLife}}
	return document, nil
}

// discovery names the operation. It names the server too, because a wrong issuer is the
// most frequent mistake.
func (c *Client) discovery() string { return "discovery of " + c.cfg.Issuer }

func (c *Client) fetchMetadata(ctx context.Context) (*Metadata, error) {
	operation := c.discovery()
	body, err := c.send(ctx, request{
		operation: operation, method: http.MethodGet, url: c.cfg.Issuer + wire.PathMytokenConfiguration, safe: true,
	})
	if err != nil {
		return nil, err
	}
	var doc wire.Configuration
	if err := wire.Unmarshal(body, &doc); err != nil {
		return nil, &AnswerError{Operation: operation, Reason: "the document is malformed: check that Config.Issuer is a mytoken server"}
	}
	if strings.TrimRight(doc.Issuer, "/") != c.cfg.Issuer {
		return nil, &AnswerError{Operation: operation, Reason: fmt.Sprintf("the document names another issuer, %.200q: set Config.Issuer to it if you trust it", doc.Issuer)}
	}
	m := &Metadata{
		Issuer: doc.Issuer, Version: doc.Version, TokeninfoActions: doc.TokeninfoActions, GrantTypes: doc.MytokenGrantTypes,
		RestrictionKeys: doc.RestrictionKeys, JWKSURI: doc.JWKSURI, Documentation: doc.Documentation,
		IdempotencyKeys: doc.IdempotencyKeySupported,
		endpoints: map[endpoint]string{
			endpointMytoken: doc.MytokenEndpoint, endpointAccessToken: doc.AccessTokenEndpoint, endpointTokeninfo: doc.TokeninfoEndpoint,
			endpointRevocation: doc.RevocationEndpoint, endpointTransfer: doc.TokenTransferEndpoint, endpointProfiles: doc.ProfilesEndpoint,
			endpointSettings: doc.UserSettingsEndpoint,
		},
	}
	for _, p := range doc.Providers {
		m.Providers = append(m.Providers, Provider{Issuer: p.Issuer, Name: legible.Show(p.Name), Scopes: p.Scopes})
	}
	check := func(what, address string) error {
		if address == "" {
			return nil
		}
		if err := c.checkURL(address); err != nil {
			return &AnswerError{Operation: operation, Reason: fmt.Sprintf("the URL of the %s: %v", what, err)}
		}
		return nil
	}
	for name, address := range m.endpoints {
		if err := check(string(name)+" endpoint", address); err != nil {
			return nil, err
		}
	}
	if err := check("server's keys", m.JWKSURI); err != nil {
		return nil, err
	}
	return m, nil
}

// endpoint looks up the URL of an endpoint.
func (c *Client) endpoint(ctx context.Context, name endpoint) (string, *Metadata, error) {
	m, err := c.Metadata(ctx)
	if err != nil {
		return "", nil, err
	}
	if m.endpoints[name] == "" {
		return "", nil, fmt.Errorf("%w: no %s endpoint", ErrUnsupported, name)
	}
	return m.endpoints[name], m, nil
}

// post sends an object to an endpoint.
func (c *Client) post(ctx context.Context, name endpoint, r request) ([]byte, error) {
	address, m, err := c.endpoint(ctx, name)
	if err != nil {
		return nil, err
	}
	r.method, r.url = http.MethodPost, address
	if r.spends {
		r.key, r.keyed = useOf(ctx), m.IdempotencyKeys
		r.key.goesTo(r.keyed)
	}
	return c.send(ctx, r)
}

// provider returns the provider asked for, or the only one of the server.
func (c *Client) provider(ctx context.Context, asked string) (string, error) {
	if asked != "" {
		return asked, nil
	}
	m, err := c.Metadata(ctx)
	if err != nil {
		return "", err
	}
	if len(m.Providers) != 1 {
		var issuers []string
		for _, p := range m.Providers {
			issuers = append(issuers, p.Issuer)
		}
		return "", fmt.Errorf("client: the server has %d providers: set LoginRequest.Provider to one of %.100q", len(issuers), issuers)
	}
	return m.Providers[0].Issuer, nil
}
