package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"mime"
	"path"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

//go:embed html
var builtin embed.FS

// names are the files of the pages. Each is parsed together with base.html, the frame
// around the page's own "title" and "content", and parts.html, the parts that several
// pages share.
var names = []string{
	"consent.html", "message.html", "given.html", "home.html", "login.html", "tokens.html", "token.html", "revoke.html", "revoketagged.html", "create.html", "created.html",
}

// Config describes the service that the pages belong to.
type Config struct {
	Issuer *issuer.Issuer
	Base   string // issuer URL without a slash at the end
	Home   string // path of the start page
	Name   string // of the service
	// Managed says that the service has pages on which users manage their tokens.
	Managed bool
	// SSH says that users can register SSH keys.
	SSH bool
	// Files replace built-in files of the same name. Nil means none.
	Files  fs.FS
	Logger *slog.Logger
}

// Pages renders the pages of a service. It is safe for concurrent use.
type Pages struct {
	cfg       Config
	logins    []issuer.Provider // where users log in; they never change
	templates map[string]*template.Template
	assets    map[string]Asset
	inline    inline
}

// Asset is a file that belongs to a page.
type Asset struct {
	Data  []byte
	Media string
	ETag  string
}

// New parses all templates and loads the folder static. An error names the page.
func New(cfg Config) (*Pages, error) {
	builtin, err := fs.Sub(builtin, "html")
	if err != nil {
		return nil, err
	}
	all := overlay{builtin}
	if cfg.Files != nil {
		if err := checkNames(cfg.Files, builtin); err != nil {
			return nil, err
		}
		all = overlay{cfg.Files, builtin}
	}
	p := &Pages{cfg: cfg, logins: cfg.Issuer.Providers(), templates: make(map[string]*template.Template), assets: make(map[string]Asset)}
	for _, name := range names {
		t, err := template.New("base.html").Option("missingkey=error").ParseFS(all, "base.html", "parts.html", name)
		if err != nil {
			return nil, fmt.Errorf("rest: page %s: %w", name, err)
		}
		p.templates[name] = t
	}
	for _, files := range slices.Backward(all) {
		if err := p.loadAssets(files); err != nil {
			return nil, err
		}
	}
	if p.inline, err = newInline(p.assets); err != nil {
		return nil, err
	}
	return p, nil
}

// checkNames returns an error for a file or folder that no page uses. It ignores names that
// begin with a dot: those of editors, and of volumes of Kubernetes.
func checkNames(files, builtin fs.FS) error {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return fmt.Errorf("rest: Options.Pages cannot be read: %w", err)
	}
	if info, err := fs.Stat(files, "static"); err == nil && !info.IsDir() {
		return errors.New("rest: Options.Pages: static is no folder: put the files that pages load into a folder of that name")
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if _, err := fs.Stat(builtin, e.Name()); err != nil {
			known, _ := fs.Glob(builtin, "*.html")
			advice := ""
			if e.IsDir() { // as in an embed.FS
				advice = fmt.Sprintf("; if they are in that folder, set Options.Pages to what fs.Sub(files, %.100q) returns", e.Name())
			}
			return fmt.Errorf("rest: Options.Pages has %.100q, which no page uses: the files are %s and the folder static%s", e.Name(), strings.Join(known, ", "), advice)
		}
	}
	return nil
}

// overlay opens files in the first file system that has them.
type overlay []fs.FS

func (o overlay) Open(name string) (file fs.File, err error) {
	for _, files := range o {
		if file, err = files.Open(name); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return file, err
}

// Glob returns the name itself. Without it, a file that cannot be read would be reported
// as a file that does not exist.
func (o overlay) Glob(name string) ([]string, error) { return []string{name}, nil }

func (p *Pages) loadAssets(files fs.FS) error {
	err := fs.WalkDir(files, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		media := mime.TypeByExtension(path.Ext(name))
		if media == "" {
			media = "application/octet-stream"
		}
		p.assets[strings.TrimPrefix(name, "static/")] = Asset{data, media, `"` + hex.EncodeToString(sum[:16]) + `"`}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Asset returns a file of the folder static.
func (p *Pages) Asset(name string) (Asset, bool) {
	a, known := p.assets[name]
	return a, known
}

// render executes a template completely, so that no part of a page that fails is sent.
func (p *Pages) render(name string, data any) ([]byte, error) {
	var out bytes.Buffer
	if err := p.templates[name].ExecuteTemplate(&out, "base.html", data); err != nil {
		return nil, fmt.Errorf("rest: page %s: %w", name, err)
	}
	return out.Bytes(), nil
}

func (p *Pages) frame() frame { return frame{Base: p.cfg.Base, Home: p.cfg.Home, Service: p.cfg.Name} }

// managing returns the frame of a management page. Pass an empty here if the frame has no
// link to the page.
func (p *Pages) managing(here string) frame {
	f := p.frame()
	f.Managing, f.Here = true, here
	return f
}

// Home renders home.html.
func (p *Pages) Home() ([]byte, error) {
	return p.render("home.html", homePage{frame: p.frame(), Providers: p.providers(""), Manageable: p.cfg.Managed})
}

// providers lists the providers at which users log in, and marks the chosen issuer.
func (p *Pages) providers(chosen string) []provider {
	var out []provider
	for _, each := range p.logins {
		up := each.Upstream
		out = append(out, provider{Issuer: up.Issuer(), Name: legible.Show(up.Name()), Chosen: up.IsIssuer(chosen)})
	}
	return out
}

// ProviderName returns the name of a provider, or nothing for no issuer.
func (p *Pages) ProviderName(iss string) string {
	if iss == "" {
		return ""
	}
	return p.providerName(iss)
}

// providerName returns the name of a provider, or its issuer if it is no longer
// configured.
func (p *Pages) providerName(iss string) string {
	if p := p.login(iss); p != nil {
		return legible.Show(p.Upstream.Name())
	}
	return legible.Show(iss)
}

// login returns the provider with an issuer, or nil.
func (p *Pages) login(iss string) *issuer.Provider {
	for i := range p.logins {
		if p.logins[i].Upstream.IsIssuer(iss) {
			return &p.logins[i]
		}
	}
	return nil
}

// knownScopes returns the scopes that a login at a provider requests if no clause names
// any. An empty issuer stands for all providers.
func (p *Pages) knownScopes(iss string) []string {
	var all []string
	for _, each := range p.logins {
		if iss == "" || each.Upstream.IsIssuer(iss) {
			all = append(all, each.Upstream.Scopes()...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
