package storetest_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

func TestMethodsAreThoseOfTheInterface(t *testing.T) {
	var want []string
	for m := range reflect.TypeFor[store.Store]().Methods() {
		want = append(want, m.Name)
	}
	assert.ElementsMatch(t, want, storetest.Methods())
}

// call calls a method with zero arguments and returns its results and its error.
func call(s store.Store, method string) ([]reflect.Value, error) {
	m := reflect.ValueOf(s).MethodByName(method)
	args := []reflect.Value{reflect.ValueOf(context.Background())}
	for i := 1; i < m.Type().NumIn(); i++ {
		args = append(args, reflect.Zero(m.Type().In(i)))
	}
	out := m.Call(args)
	err, _ := out[len(out)-1].Interface().(error)
	return out[:len(out)-1], err
}

func TestFaultyFailsBeforeAndAfterEachMethod(t *testing.T) {
	for _, method := range storetest.Methods() {
		t.Run(method, func(t *testing.T) {
			inner := storetest.NewFaulty(memstore.New(), nil)
			_, want := call(inner, method)
			inner.Reset(nil)
			f := storetest.NewFaulty(inner, storetest.FailAt(storetest.Before(method, 2), storetest.ErrFault))
			for n := 1; n <= 3; n++ {
				out, err := call(f, method)
				if n != 2 {
					assert.Equal(t, want, err, "call %d", n)
					continue
				}
				assert.ErrorIs(t, err, storetest.ErrFault)
				for _, o := range out {
					assert.True(t, o.IsZero(), "a call that failed returned %v", o)
				}
			}
			assert.Equal(t, 3, f.Calls(method))
			assert.Equal(t, 2, inner.Calls(method))

			inner.Reset(nil)
			f.Reset(storetest.FailAt(storetest.After(method, 1), storetest.ErrFault))
			out, err := call(f, method)
			assert.ErrorIs(t, err, storetest.ErrFault)
			for _, o := range out {
				assert.True(t, o.IsZero(), "a call whose answer was lost returned %v", o)
			}
			assert.Equal(t, 1, f.Calls(method))
			assert.Equal(t, 1, inner.Calls(method))
			assert.Equal(t, []storetest.Call{storetest.Before(method, 1), {Method: method, N: 1, Err: want}}, f.Trace())
		})
	}
}

func TestFaultyPassesResultsOn(t *testing.T) {
	s := memstore.New()
	f := storetest.NewFaulty(s, nil)
	g := store.Grant{ID: store.GrantID{1}, Owner: store.OwnerID{1}, Refresh: store.Sealed("rt"), Created: 1}
	for id := byte(1); id <= 2; id++ {
		g.ID = store.GrantID{id}
		k := store.Token{ID: store.TokenID{id}, Grant: g.ID, Owner: g.Owner, Sum: store.Sum{id}, Key: store.Sealed("key"), Created: 1}
		require.NoError(t, f.CreateRoot(t.Context(), g, k, store.TicketChanges{}))
	}
	want, err := s.Token(t.Context(), store.TokenID{1})
	require.NoError(t, err)
	got, err := f.Token(t.Context(), store.TokenID{1})
	require.NoError(t, err)
	assert.Equal(t, want, got)

	wantPage, wantNext, err := s.List(t.Context(), g.Owner, store.Page{Limit: 1})
	require.NoError(t, err)
	require.NotEmpty(t, wantNext)
	page, next, err := f.List(t.Context(), g.Owner, store.Page{Limit: 1})
	require.NoError(t, err)
	assert.Equal(t, wantPage, page)
	assert.Equal(t, wantNext, next)
}

func TestFailFromNeverRecovers(t *testing.T) {
	f := storetest.NewFaulty(memstore.New(), storetest.FailFrom(storetest.After("Refund", 2), storetest.ErrFault))
	assert.NoError(t, f.Refund(t.Context(), store.UseID{1}, 1))
	for i := byte(2); i <= 4; i++ {
		assert.ErrorIs(t, f.Refund(t.Context(), store.UseID{i}, 1), storetest.ErrFault)
	}
	_, err := f.Token(t.Context(), store.TokenID{1})
	assert.ErrorIs(t, err, storetest.ErrFault, "another method")
}

func TestCallsHaveNames(t *testing.T) {
	assert.Equal(t, "before Spend 2", storetest.Before("Spend", 2).String())
	assert.Equal(t, "after Rotate 1", storetest.After("Rotate", 1).String())
}

// ErrFault must look like an unknown outcome.
func TestErrFaultIsNotDefinite(t *testing.T) {
	assert.False(t, store.IsDefinite(storetest.ErrFault))
}
