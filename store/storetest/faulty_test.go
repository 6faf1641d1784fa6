package storetest_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

func TestMethodsAreThoseOfTheInterface(t *testing.T) {
	var want []string
	for m := range reflect.TypeFor[store.Store]().Methods() {
		want = append(want, m.Name)
	}
	if got := slices.Sorted(slices.Values(storetest.Methods())); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// call calls a method with zero arguments and returns its results, the error apart.
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
				if failed := n == 2; failed != errors.Is(err, storetest.ErrFault) {
					t.Errorf("call %d: %v", n, err)
				} else if !failed && !reflect.DeepEqual(err, want) {
					t.Errorf("call %d: got %v, want %v", n, err, want)
				}
				for _, o := range out {
					if n == 2 && !o.IsZero() {
						t.Errorf("a call that failed returned %v", o)
					}
				}
			}
			if f.Calls(method) != 3 || inner.Calls(method) != 2 {
				t.Errorf("%d calls, %d of them made; want 3 and 2", f.Calls(method), inner.Calls(method))
			}

			inner.Reset(nil)
			f.Reset(storetest.FailAt(storetest.After(method, 1), storetest.ErrFault))
			if _, err := call(f, method); !errors.Is(err, storetest.ErrFault) {
				t.Errorf("after: %v", err)
			}
			if f.Calls(method) != 1 || inner.Calls(method) != 1 {
				t.Errorf("%d calls, %d of them made; want 1 and 1", f.Calls(method), inner.Calls(method))
			}
			trace := []storetest.Call{storetest.Before(method, 1), {Method: method, N: 1, Err: want}}
			if got := f.Trace(); !reflect.DeepEqual(got, trace) {
				t.Errorf("trace is %v, want %v", got, trace)
			}
		})
	}
}

func TestFaultyPassesResultsOn(t *testing.T) {
	s := memstore.New()
	f := storetest.NewFaulty(s, nil)
	g := store.Grant{ID: store.GrantID{1}, Owner: store.OwnerID{1}, Refresh: store.Sealed("rt"), Created: 1}
	k := store.Token{ID: store.TokenID{1}, Grant: g.ID, Owner: g.Owner, Sum: store.Sum{1}, Key: store.Sealed("key"), Created: 1}
	if err := f.CreateRoot(t.Context(), g, k, store.TicketChanges{}); err != nil {
		t.Fatal(err)
	}
	want, err := s.Token(t.Context(), k.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Token(t.Context(), k.ID); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if got, next, err := f.List(t.Context(), g.Owner, store.Page{Limit: 1}); err != nil || next != "" || !reflect.DeepEqual(got, []store.TokenInfo{want}) {
		t.Errorf("got %v, %q, %v", got, next, err)
	}
}

func TestFailFromNeverRecovers(t *testing.T) {
	f := storetest.NewFaulty(memstore.New(), storetest.FailFrom(storetest.After("Refund", 2), storetest.ErrFault))
	var failed []bool
	for i := range 4 {
		failed = append(failed, errors.Is(f.Refund(t.Context(), store.UseID{byte(i + 1)}, 1), storetest.ErrFault))
	}
	if want := []bool{false, true, true, true}; !slices.Equal(failed, want) {
		t.Errorf("failed: %v, want %v", failed, want)
	}
	if _, err := f.Token(t.Context(), store.TokenID{1}); !errors.Is(err, storetest.ErrFault) {
		t.Errorf("another method: %v", err)
	}
}

func TestCallsHaveNames(t *testing.T) {
	for _, x := range []struct {
		call storetest.Call
		want string
	}{
		{storetest.Before("Spend", 2), "before Spend 2"},
		{storetest.After("Rotate", 1), "after Rotate 1"},
	} {
		if got := x.call.String(); got != x.want {
			t.Errorf("got %q, want %q", got, x.want)
		}
	}
}

// ErrFault must look like an outcome that is unknown.
func TestErrFaultIsNotDefinite(t *testing.T) {
	if store.IsDefinite(storetest.ErrFault) {
		t.Error("it is one of the errors that package store documents")
	}
}
