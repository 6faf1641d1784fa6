package sqlstore_test

import (
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store/sqlstore"
)

// relay passes bytes between the store and its server until a test cuts it.
type relay struct {
	listener net.Listener
	network  string
	server   string

	mu    sync.Mutex
	left  [2]int // how many bytes still pass to the server and back; negative: any number
	open  map[net.Conn]bool
	moved [2]int // how many bytes have passed
}

// relayed returns the site behind a relay.
func relayed(t *testing.T, s site) (site, *relay) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{listener: l, network: "tcp", left: [2]int{-1, -1}, open: make(map[net.Conn]bool)}
	if s.dialect == sqlstore.PostgreSQL {
		dsn, err := url.Parse(s.address)
		require.NoError(t, err)
		r.server, dsn.Host = dsn.Host, l.Addr().String()
		s.connector, s.address = postgreSQLAt(t, dsn.String(), nil).connector, dsn.String()
	} else {
		config, err := mysql.ParseDSN(s.address)
		require.NoError(t, err)
		r.network, r.server = config.Net, config.Addr
		config.Net, config.Addr, config.Logger = "tcp", l.Addr().String(), &mysql.NopLogger{}
		c, err := mysql.NewConnector(config)
		require.NoError(t, err)
		s.connector, s.address = c, config.FormatDSN()
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { r.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		r.cut()
		wg.Wait()
	})
	return s, r
}

func (r *relay) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial(r.network, r.server)
	if err != nil {
		return
	}
	defer server.Close()
	r.mu.Lock()
	r.open[client], r.open[server] = true, true
	r.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { r.pass(0, server, client) })
	r.pass(1, client, server)
	wg.Wait()
	r.mu.Lock()
	delete(r.open, client)
	delete(r.open, server)
	r.mu.Unlock()
}

// pass copies until the budget of its direction is used up. Then it ends the connection.
func (r *relay) pass(direction int, to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 4096)
	for {
		n, err := from.Read(b)
		r.mu.Lock()
		last := r.left[direction] >= 0 && n >= r.left[direction]
		if last {
			n = r.left[direction]
		}
		if r.left[direction] >= 0 {
			r.left[direction] -= n
		}
		r.moved[direction] += n
		r.mu.Unlock()
		if _, failed := to.Write(b[:n]); failed != nil || err != nil || last {
			return
		}
	}
}

// cut ends all connections.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.open {
		c.Close()
	}
}

// allow says how many bytes may pass from now on in each direction. It returns how many
// have passed.
func (r *relay) allow(toServer, back int) [2]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = [2]int{toServer, back}
	moved := r.moved
	r.moved = [2]int{}
	return moved
}
