package refresh

import (
	"os"
	"strings"
)

// bootID is where Linux names the present run of the kernel. Containers of one machine see
// the same name.
const bootID = "/proc/sys/kernel/random/boot_id"

// thisMachine names what shares the locks of local files with this process: the present
// run of the kernel, or else the host. Two machines may share a host name by mistake; so
// the name of the kernel's run is better.
func thisMachine() string {
	if boot, err := os.ReadFile(bootID); err == nil && len(boot) > 0 {
		return "boot " + strings.TrimSpace(string(boot))
	}
	host, _ := os.Hostname()
	return "host " + host
}
