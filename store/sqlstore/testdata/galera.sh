#!/bin/sh
# A MariaDB Galera cluster of three nodes on loopback, for tests.
#
#   galera.sh start DIR   starts it with its files in DIR, and prints the
#                         line to be put in front of go test
#   galera.sh stop DIR    stops it, and deletes DIR
#
# It needs mariadb-server, galera-4 and rsync (Debian's packages). The nodes
# listen on 127.0.0.1:23061 and so on, below the ports that systems hand out.
# Nothing but tests may use them: root has no password.
set -eu

nodes=3
usage() { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -eq 2 ] || usage
dir=$2
provider=$(ls /usr/lib/galera/libgalera_smm.so /usr/lib/*/galera-4/libgalera_smm.so 2>/dev/null | head -n 1)

sql_port() { echo "2306$1"; }
group_port() { echo "2467$1"; }
transfer_port() { echo "2468$1"; }
repair_port() { echo "2469$1"; }

ask() { # ask NODE QUERY
	mariadb --no-defaults --protocol=tcp --host=127.0.0.1 --port="$(sql_port "$1")" --user=root --skip-column-names --batch --execute="$2" 2>/dev/null
}

fail() { # fail NODE
	echo "node $1 does not start:" >&2
	cat "$dir/$1"/*log | tail -n 20 >&2
	exit 1
}

start_node() { # start_node NODE ADDRESS-OF-THE-CLUSTER
	n=$1
	mkdir -p "$dir/$n/data" "$dir/$n/tmp"
	# The others get a copy of the first one's data.
	[ "$n" -gt 1 ] || mariadb-install-db --no-defaults --datadir="$dir/$n/data" --tmpdir="$dir/$n/tmp" --auth-root-authentication-method=normal \
		--skip-test-db >"$dir/$n/install.log" 2>&1 || fail "$n"
	[ "$(id -u)" -ne 0 ] || chown -R mysql "$dir/$n"
	# What is confirmed is kept by three nodes, so that none waits for its disk.
	# Synced reads: what one node has confirmed is seen on every node. A node is
	# given up after ten seconds, so that a slow machine does not lose any.
	# A server that starts removes the temporary tables that it finds in its directory,
	# those of others too.
	setsid mariadbd --no-defaults $([ "$(id -u)" -ne 0 ] || echo --user=mysql) \
		--datadir="$dir/$n/data" --tmpdir="$dir/$n/tmp" --socket="$dir/$n/socket" --pid-file="$dir/$n/pid" \
		--bind-address=127.0.0.1 --port="$(sql_port "$n")" \
		--binlog-format=ROW --innodb-autoinc-lock-mode=2 --innodb-buffer-pool-size=64M --innodb-log-file-size=32M \
		--innodb-flush-log-at-trx-commit=2 \
		--wsrep-on=ON --wsrep-provider="$provider" \
		--wsrep-provider-options="base_port=$(group_port "$n");ist.recv_addr=127.0.0.1:$(repair_port "$n");gcache.size=32M;evs.suspect_timeout=PT10S;evs.inactive_timeout=PT20S" \
		--wsrep-cluster-name=mytoken-tests --wsrep-cluster-address="$2" \
		--wsrep-node-name="node$n" --wsrep-node-address="127.0.0.1:$(group_port "$n")" \
		--wsrep-sst-method=rsync --wsrep-sst-receive-address="127.0.0.1:$(transfer_port "$n")" \
		--wsrep-sync-wait=15 \
		>"$dir/$n/server.log" 2>&1 </dev/null &
	server=$!
	i=0
	until [ "$(ask "$n" "SHOW STATUS LIKE 'wsrep_local_state_comment'" | cut -f 2)" = Synced ]; do
		i=$((i + 1))
		[ "$i" -le 3000 ] && kill -0 "$server" 2>/dev/null || fail "$n"
		sleep 0.1
	done
}

case $1 in
start)
	[ -n "$provider" ] || { echo "galera-4 is not installed" >&2; exit 1; }
	mkdir -p "$dir"
	chmod 755 "$dir"
	start_node 1 gcomm://
	n=2
	while [ "$n" -le "$nodes" ]; do
		start_node "$n" "gcomm://127.0.0.1:$(group_port 1)"
		n=$((n + 1))
	done
	dsns=
	n=1
	while [ "$n" -le "$nodes" ]; do
		dsns="$dsns root@tcp(127.0.0.1:$(sql_port "$n"))/?interpolateParams=true"
		n=$((n + 1))
	done
	echo "MYTOKEN_TEST_GALERA='${dsns# }'"
	;;
stop)
	for pid in "$dir"/*/pid; do
		[ -e "$pid" ] || continue
		server=$(cat "$pid")
		# One that was killed has left its number behind, which may be another
		# process's now.
		case $(ps -o args= -p "$server" || true) in
		*--datadir="$dir"/*) kill -9 "$server" ;;
		esac
	done
	rm -rf "$dir"
	;;
*) usage ;;
esac
