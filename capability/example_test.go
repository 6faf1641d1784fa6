package capability_test

import (
	"fmt"
	"strings"

	"github.com/mytoken-go/sdk/capability"
)

// Ask whether the holder of a token may do something.
func ExampleSet_Allows() {
	set := capability.Set{capability.AT, capability.Tokeninfo, capability.ReadSettings}
	fmt.Println(set.Allows(capability.TokeninfoHistory))
	fmt.Println(set.Allows(capability.ReadSettingsEmail))
	fmt.Println(set.Allows(capability.SettingsEmail))
	// Output:
	// true
	// true
	// false
}

// Choose the capabilities of a child token.
func ExampleNarrow() {
	parent := capability.Set{capability.AT, capability.CreateMytoken, capability.TokeninfoIntrospect}
	child, dropped := capability.Narrow(parent, capability.Set{capability.Tokeninfo, capability.AT})
	fmt.Println("child:", child)
	fmt.Println("dropped:", dropped)
	// Output:
	// child: AT
	// dropped: tokeninfo
}

// Show capabilities to a user who decides.
func ExampleCapability_Describe() {
	for _, c := range []capability.Capability{capability.AT, "list_mytokens"} {
		fmt.Printf("%s: %s\n", c, c.Describe())
	}
	// Output:
	// AT: Obtain access tokens in your name, within the restrictions.
	// list_mytokens: Unknown to this server; it allows nothing here.
}

// List the capabilities as an editor shows them.
func ExampleTree() {
	var show func(nodes []capability.Node, depth int)
	show = func(nodes []capability.Node, depth int) {
		for _, n := range nodes {
			line := strings.Repeat("  ", depth) + string(n.Capability)
			if n.Read != "" {
				line += " (" + string(n.Read) + ")"
			}
			fmt.Println(line)
			show(n.Children, depth+1)
		}
	}
	show(capability.Tree()[4:], 0)
	// Output:
	// settings (read@settings)
	//   settings:grants (read@settings:grants)
	//     settings:grants:ssh (read@settings:grants:ssh)
	//   settings:email (read@settings:email)
	//   settings:tags (read@settings:tags)
}

// Find the names that an issuer may want to refuse.
func ExampleSet_Unknown() {
	set, err := capability.ParseRequest([]byte(`"AT tokeninfo:everything"`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(set.Unknown())
	// Output: tokeninfo:everything
}
