package seal_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/seal"
)

// How does a launcher keep the compact tokens of waiting jobs in a table of its own?
func ExampleBox() {
	// Once, by hand: keep what Reveal returns apart from the database.
	text := seal.NewKey().Reveal()

	// At every start.
	key, err := seal.ParseKey(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	box, err := seal.NewBox(seal.RingConfig{Active: key})
	if err != nil {
		fmt.Println(err)
		return
	}

	jobs := map[int][]byte{} // the launcher's table
	for id, token := range map[int]string{4711: "token of job 4711", 4712: "token of job 4712"} {
		jobs[id], err = box.Seal(fmt.Sprintf("jobs/%d/token", id), []byte(token))
		if err != nil {
			fmt.Println(err)
			return
		}
	}

	token, err := box.Open("jobs/4711/token", jobs[4711])
	fmt.Printf("%s, %v\n", token, err)

	// Somebody with write access to the table cannot give one job the token of another.
	jobs[4711] = jobs[4712]
	_, err = box.Open("jobs/4711/token", jobs[4711])
	fmt.Println(errors.Is(err, seal.ErrOpen))
	// Output:
	// token of job 4711, <nil>
	// true
}

// How is a server key replaced?
func ExampleRewrap() {
	ctx := context.Background()
	oldKey, newKey := seal.NewKey(), seal.NewKey()

	// The store is full of values under the old key.
	before, err := seal.NewRing(seal.RingConfig{Active: oldKey})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := exampleStore(ctx, before)

	// By now every node seals under the new key and can still open the old one.
	during, err := seal.NewRing(seal.RingConfig{Active: newKey, Others: []seal.Key{oldKey}})
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := seal.Rewrap(ctx, s, during, 100)
	fmt.Println(n, err)

	// Remove the old key when all codes that were made under it have expired.
	after, err := seal.NewRing(seal.RingConfig{Active: newKey})
	if err != nil {
		fmt.Println(err)
		return
	}
	info, err := s.Token(ctx, store.TokenID{1})
	if err != nil {
		fmt.Println(err)
		return
	}
	about, err := after.Open(store.AboutPlace(store.TokenID{1}), info.About)
	fmt.Printf("%s, %v\n", about, err)
	// Output:
	// 3 <nil>
	// laptop, <nil>
}

// exampleStore returns a store with one grant and one token.
func exampleStore(ctx context.Context, ring *seal.Ring) *memstore.Store {
	grant, token := store.GrantID{1}, store.TokenID{1}
	key := seal.NewDataKey()
	s := memstore.New()
	err := s.CreateRoot(ctx, store.Grant{
		ID: grant, Owner: store.OwnerID{1}, Created: 1,
		Refresh: must(ring.SealWith(store.RefreshTokenPlace(grant, 1), key, []byte("refresh token"))),
	}, store.Token{
		ID: token, Grant: grant, Owner: store.OwnerID{1}, Sum: store.Sum{1}, Created: 1,
		Key:   must(ring.SealWith(store.TokenKeyPlace(token, 1), seal.FromSecret(seal.PurposeTokenKey, "compact token"), key.Reveal())),
		About: must(ring.Seal(store.AboutPlace(token), []byte("laptop"))),
	}, store.TicketChanges{})
	if err != nil {
		panic(err)
	}
	return s
}

// How does a token lead to the refresh token?
func ExampleRing_OpenWith() {
	ring, err := seal.NewRing(seal.RingConfig{Active: seal.NewKey()})
	if err != nil {
		fmt.Println(err)
		return
	}
	grant, token, compact := store.GrantID{1}, store.TokenID{1}, "compact token"

	// At login: a key for the grant, and a copy of it for the token.
	key := seal.NewDataKey()
	refresh, err := ring.SealWith(store.RefreshTokenPlace(grant, 1), key, []byte("refresh token"))
	if err != nil {
		fmt.Println(err)
		return
	}
	wrapped, err := ring.SealWith(store.TokenKeyPlace(token, 1), seal.FromSecret(seal.PurposeTokenKey, compact), key.Reveal())
	if err != nil {
		fmt.Println(err)
		return
	}

	// Later, when the token is presented.
	b, err := ring.OpenWith(store.TokenKeyPlace(token, 1), seal.FromSecret(seal.PurposeTokenKey, compact), wrapped)
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err = seal.ParseDataKey(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err = ring.OpenWith(store.RefreshTokenPlace(grant, 1), key, refresh)
	fmt.Printf("%s, %v\n", b, err)

	// Without the token the server cannot open it.
	_, err = ring.OpenWith(store.TokenKeyPlace(token, 1), seal.FromSecret(seal.PurposeTokenKey, "another token"), wrapped)
	fmt.Println(err)
	// Output:
	// refresh token, <nil>
	// seal: cannot be opened
}
