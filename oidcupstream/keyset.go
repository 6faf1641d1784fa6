package oidcupstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/mytoken-go/sdk/internal/jws"
)

// keysMaxStale is how old the provider's keys may be while they cannot be fetched.
const keysMaxStale = 24 * time.Hour

// keySet verifies signatures with the keys that the provider publishes. It implements
// [oidc.KeySet]. The work for one token is bounded, whatever the provider publishes.
type keySet struct {
	source *jws.Source[jws.LenientSet]
	pause  pause
}

var _ oidc.KeySet = (*keySet)(nil)

// newKeySet returns the keys at an address. It fetches nothing yet.
func (p *Provider) newKeySet(address string) *keySet {
	k := new(keySet)
	k.source = jws.NewSource(jws.SourceConfig[jws.LenientSet]{
		URL: address, Client: p.pausing(&k.pause), Clock: p.cfg.Clock, Timeout: p.cfg.Timeout, Background: true, Eager: true,
		MaxAge: p.cfg.MetadataTTL, MaxStale: max(p.cfg.MetadataTTL, keysMaxStale),
		Decode: jws.DecodeLenientSet,
	})
	return k
}

// VerifySignature returns the payload of a token. The caller checks the algorithm and the
// claims.
func (k *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	m, err := jws.ParseLenient(token)
	if err != nil {
		return nil, ownWords(err)
	}
	set, err := k.source.Current(ctx)
	if err != nil {
		return nil, ownWords(err)
	}
	left, err := set.Verify(ctx, m, jws.MaxTries)
	if errors.Is(err, jws.ErrUnknownKey) || errors.Is(err, jws.ErrSignature) {
		// The provider may have replaced its keys, and given a new one an old id.
		newer, missed := k.source.Newer(ctx, set)
		if newer != set {
			_, err = newer.Verify(ctx, m, left)
		}
		if err != nil && missed != nil {
			err = fmt.Errorf("%w; newer keys could not be fetched: %w", err, missed)
		}
	}
	if err != nil {
		return nil, ownWords(err)
	}
	return m.Payload, nil
}

// ownWords removes the name of the package that exports the errors of package jws.
func ownWords(err error) error { return errors.New(strings.ReplaceAll(err.Error(), "mytoken: ", "")) }

// signingAlgorithms returns the supported algorithms among those that the metadata names
// for ID tokens. RS256 is the default (OpenID Connect Discovery section 3).
func signingAlgorithms(named []string) []string {
	var list []string
	for _, a := range named {
		if jws.Algorithm(a).Supported() && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		return []string{string(jws.RS256)}
	}
	return list
}
