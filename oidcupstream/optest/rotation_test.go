package optest_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

func TestRotateOff(t *testing.T) {
	c := start(t, optest.Options{})
	rt := c.login().RefreshToken
	for range 3 {
		a := c.refresh(rt)
		require.Equal(t, 200, a.Status)
		require.Empty(t, a.RefreshToken)
		require.Equal(t, 1, c.last().Generation)
		require.Equal(t, 1, c.last().Next)
	}
	require.Equal(t, 3, c.op.Count(optest.Refreshed))
}

func TestRotateOn(t *testing.T) {
	c := start(t, optest.Options{Rotation: optest.RotateOn})
	first := c.login().RefreshToken
	second := c.refresh(first).RefreshToken
	require.NotEmpty(t, second)
	a := c.refresh(first)
	require.Equal(t, 400, a.Status)
	require.Equal(t, "invalid_grant", a.Error)
	require.True(t, c.last().Reuse)
	require.Equal(t, 200, c.refresh(second).Status, "the family lives")
}

func TestRotateStrict(t *testing.T) {
	c := start(t, optest.Options{Rotation: optest.RotateStrict})
	login := c.login()
	other := c.login().RefreshToken
	second := c.refresh(login.RefreshToken)
	require.Equal(t, 200, c.userinfo(second.AccessToken))
	require.Equal(t, "invalid_grant", c.refresh(login.RefreshToken).Error)
	require.Equal(t, "invalid_grant", c.refresh(second.RefreshToken).Error, "the family is dead")
	require.False(t, c.last().Reuse, "the last one was current")
	require.Equal(t, 401, c.userinfo(second.AccessToken))
	require.Equal(t, 200, c.refresh(other).Status, "another login is not")
	require.Equal(t, 1, c.op.Reuses())
	require.Equal(t, 1, c.op.Count(optest.Ended))
}

func TestRotateGrace(t *testing.T) {
	c := start(t, optest.Options{Rotation: optest.RotateGrace, Grace: 10 * time.Second})
	first := c.login().RefreshToken
	second := c.refresh(first).RefreshToken
	c.advance(10 * time.Second)
	again := c.refresh(first)
	require.Equal(t, second, again.RefreshToken, "the same successor")
	require.Zero(t, c.op.Reuses())
	third := c.refresh(second).RefreshToken
	require.NotEqual(t, second, third)
	require.Equal(t, third, c.refresh(second).RefreshToken)
	c.advance(11 * time.Second)
	require.Equal(t, "invalid_grant", c.refresh(second).Error, "too late")
	require.True(t, c.last().Reuse)
	require.Equal(t, "invalid_grant", c.refresh(third).Error)

	first = c.login().RefreshToken
	second = c.refresh(first).RefreshToken
	require.NotEmpty(t, c.refresh(second).RefreshToken)
	require.Equal(t, "invalid_grant", c.refresh(first).Error, "two generations back is reuse at once")
}

// Exactly one of many concurrent requests with one refresh token gets the successor. The
// server records the others as reuse.
func TestStrictRotationUnderConcurrency(t *testing.T) {
	c := start(t, optest.Options{Rotation: optest.RotateStrict})
	rt := c.login().RefreshToken
	var wg sync.WaitGroup
	answers := make(chan answer, 20)
	for range cap(answers) {
		wg.Go(func() { answers <- c.refresh(rt) })
	}
	wg.Wait()
	close(answers)
	ok := 0
	for a := range answers {
		if a.Status == 200 {
			ok++
		}
	}
	require.Equal(t, 1, ok)
	require.Equal(t, 1, c.op.Count(optest.Refreshed))
	require.Equal(t, 19, c.op.Count(optest.Refused))
	require.Equal(t, 1, c.op.Count(optest.Ended))
	require.Equal(t, 19, c.op.Reuses())
}

func TestRotationChanges(t *testing.T) {
	faults := make(chan optest.Fault, 1)
	c := start(t, optest.Options{Faults: func(at optest.FaultPoint) optest.Fault {
		select {
		case f := <-faults:
			return f
		default:
			return optest.Fault{}
		}
	}})
	first := c.login().RefreshToken
	faults <- optest.Fault{Rotate: true}
	second := c.refresh(first).RefreshToken
	require.NotEmpty(t, second, "it said that it never rotates")
	require.Equal(t, "invalid_grant", c.refresh(first).Error)
	require.Empty(t, c.refresh(second).RefreshToken)
	c.op.SetRotation(optest.RotateOn)
	faults <- optest.Fault{SameRefreshToken: true}
	require.Equal(t, second, c.refresh(second).RefreshToken)
	third := c.refresh(second).RefreshToken
	require.NotEqual(t, second, third)
	require.Equal(t, 1, c.op.EndGrants("alice"))
	require.Equal(t, "invalid_grant", c.refresh(third).Error)
	require.Zero(t, c.op.EndGrants("alice"))
}
