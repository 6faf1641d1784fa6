package main

import (
	"errors"
	"flag"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/examples/internal/cacheflag"
	"github.com/mytoken-go/sdk/examples/internal/clientsfile"
	"github.com/mytoken-go/sdk/examples/internal/envflag"
	"github.com/mytoken-go/sdk/examples/internal/logflag"
	"github.com/mytoken-go/sdk/examples/internal/serve"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
)

type options struct {
	listen, health, ssh, url, cert, key, data, db, dsn, issuer, client, secret, redirect, scopes, abandon string
	always                                                                                                []string
	proxies                                                                                               []netip.Prefix
	clients                                                                                               []rest.Client
	unixProxy, reuse, fixed, check, walk                                                                  bool
	cache                                                                                                 issuer.AccessTokenCache
	drain                                                                                                 time.Duration
	log                                                                                                   logflag.Log
}

// parseOptions reads the environment and the flags. A flag overrides its variable.
func parseOptions() (_ *options, err error) {
	o, text := new(options), flag.StringVar
	text(&o.listen, "listen", "127.0.0.1:8000", "`address` of the service, or unix:/path for a Unix socket, which its owner and group can use")
	text(&o.health, "health", "127.0.0.1:8001", "`address` of the health check, or unix:/path; keep it away from strangers")
	text(&o.ssh, "ssh", "", "`address` for SSH clients, such as :2222, so that users can register SSH keys; the host key, ssh-host-key in the directory of -data, is made once (default: no SSH)")
	text(&o.url, "url", "", "issuer `URL`, at which users reach the service (default: its address)")
	text(&o.cert, "tls-cert", "", "PEM `file` with the certificates for TLS")
	text(&o.key, "tls-key", "", "PEM `file` with the key for TLS")
	text(&o.data, "data", "", "`directory` for keys, refresh tokens in transit, and the SQLite file; one of its own for each machine, kept across restarts (default: portal-data; with the provider for tests, a temporary one)")
	text(&o.db, "db", "", "SQLite `file` (default: portal.db in the directory)")
	text(&o.dsn, "dsn", "", "database instead of SQLite: `postgres://user@host/database`, or user@tcp(host)/database for MariaDB; behind PgBouncer add ?default_query_exec_mode=exec")
	text(&o.issuer, "issuer", "", "issuer `URL` of the OpenID provider (default: a provider for tests, which lets everybody in)")
	text(&o.client, "client-id", "", "`name` of this client at the provider")
	secret := flag.String("client-secret-file", "", "`file` with the secret of this client, such as a credential of systemd or a secret of Kubernetes (default: the variable PORTAL_CLIENT_SECRET)")
	text(&o.redirect, "redirect-uri", "", "`URL` to which the provider sends users back, as registered there: <url>/redirect or <url>/redirect/name (default: the latter, with the host of the provider)")
	text(&o.scopes, "scopes", "openid profile email offline_access", "`scopes` that users can grant")
	flag.Func("always-granted", "`scopes` that the provider adds to every access token, which restrictions then do not withhold; if offline_access is among them, refreshes name it (default: offline_access, and refreshes do not name it)", func(list string) error { o.always = strings.Fields(list); return nil })
	flag.BoolVar(&o.reuse, "reuse-tolerated", false, "the provider accepts a replaced refresh token again for a while: after a crash of one machine, others do not wait for it")
	flag.BoolVar(&o.fixed, "refresh-tokens-never-rotate", false, "the provider never replaces a refresh token: requests of one login need not wait for each other")
	flag.Func("access-token-cache", "hand an access token out again, to the same mytoken for the same scopes and audiences, while `condition` holds: age=5m (it is younger), share=50% (of its lifetime has not passed), or left=10m (it still lives as long) (default: never)", func(text string) (err error) { o.cache, err = cacheflag.Parse(text); return err })
	flag.Func("introspection-clients", "`file` with the clients that may introspect tokens (RFC 7662): lines with an id, a colon and the SHA-256 sum of a random secret in hexadecimal (default: nobody may)", func(name string) (err error) { o.clients, err = clientsfile.Read(name); return err })
	flag.Func("trusted-proxies", "`networks` of reverse proxies alone, whose X-Forwarded-For is believed, such as 10.0.0.7/32,192.0.2.0/29", func(list string) (err error) { o.proxies, err = serve.Networks(list); return err })
	flag.BoolVar(&o.unixProxy, "trust-unix-peers", false, "believe X-Forwarded-For of whoever connects to the Unix socket of -listen: a reverse proxy, and nobody else")
	flag.DurationVar(&o.drain, "drain", time.Second, "`time` after SIGTERM in which the health check fails and connections are still accepted")
	text(&o.abandon, "abandon", "none", "give up `node`, a data directory that will not come back, as the log names it, and end: logins no longer wait for what it held")
	flag.BoolVar(&o.check, "check", false, "start on free ports, take the steps that -walk prints, and end")
	flag.BoolVar(&o.walk, "walk", false, "print also how to do everything with curl, step by step")
	o.log.AddTo(flag.CommandLine)
	err = envflag.Read(flag.CommandLine, "PORTAL_")
	flag.Parse()
	o.url = strings.TrimSuffix(o.url, "/")
	if o.secret = os.Getenv("PORTAL_CLIENT_SECRET"); *secret != "" {
		line, bad := os.ReadFile(*secret)
		o.secret, err = strings.TrimSpace(string(line)), errors.Join(err, bad)
	}
	refuse := func(wrong bool, complaint string) {
		if wrong {
			err = errors.Join(err, errors.New(complaint))
		}
	}
	refuse(flag.NArg() > 0, "arguments are not accepted, only flags; see -help")
	refuse(o.url != "" && !strings.Contains(o.url, "://"), "-url is no URL such as https://mytoken.example.org")
	refuse(o.url == "" && strings.HasPrefix(o.listen, "unix:"), "-listen unix:/path needs -url")
	refuse(o.unixProxy && !strings.HasPrefix(o.listen, "unix:"), "-trust-unix-peers needs -listen unix:/path")
	refuse(o.drain < 0 || o.drain > time.Minute, "-drain is not between 0 and 1m")
	refuse((o.cert == "") != (o.key == ""), "set both -tls-cert and -tls-key, or neither")
	refuse(o.cert != "" && o.url == "", "-tls-cert needs -url")
	refuse(o.db != "" && o.dsn != "", "set either -db or -dsn, not both")
	refuse((o.issuer == "") != (o.client == ""), "set both -issuer and -client-id, or neither")
	refuse(o.issuer != "" && o.secret == "", "-issuer needs PORTAL_CLIENT_SECRET or -client-secret-file")
	refuse(o.check && o.issuer+o.url != "", "-check uses the provider for tests; remove -issuer and -url")
	if o.check || o.abandon != "none" {
		o.listen, o.health, o.ssh, o.drain = "127.0.0.1:0", "127.0.0.1:0", "", 0
	}
	return o, err
}
