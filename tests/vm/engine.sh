# Run in a guest: the kernel engine between staff (h1, access), web (h2, behind a trunk) and db (h3, access), on a bridge
# that keeps VLANs apart and tracks connections. $1: build directory. Prints one line for each finding.
nft=$1/controlplane/nft/cordon-nft
cordond="$1/controlplane/daemon/cordond --config /lab/engine.yaml --run-dir /run/cordon"
cordon="$1/controlplane/cli/cordon --socket /run/cordon/api.sock"
export ASAN_OPTIONS=detect_leaks=0 # the guest has no ptrace for it to lean on
mkdir -p /run/cordon /state

host() { # NUMBER DEVICE IPV4 IPV6
	ip -n "h$1" link set "$2" up
	for key in accept_dad router_solicitations; do ip netns exec "h$1" sh -c "echo 0 >/proc/sys/net/ipv6/conf/$2/$key"; done
	ip -n "h$1" addr add "$3/24" dev "$2"
	ip -n "h$1" addr add "$4/64" dev "$2" nodad
}
until_true() { # COMMAND...: within 25 tries, each of which may take a second here
	for _ in $(seq 25); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.2
	done
	echo "did not come true: $*"
}
bound() { # ADDRESS...: the kernel's tables know them all
	rules=$(nft list table bridge cordon)
	for address in "$@"; do
		case $rules in *" $address "* | *" $address,"* | *" . $address"*) ;; *) return 1 ;; esac
	done
}
says() { ip netns exec "h$1" ping -c1 -W1 10.20.0.254 >/dev/null; ip netns exec "h$1" ping -6 -c1 -W1 fd00:20::fe >/dev/null; }
pings() { ip netns exec "h$1" ping -c1 -W2 "$2" >/dev/null && echo "h$1 reaches $2" || echo "h$1 does not reach $2"; }
tcp() { # NUMBER ADDRESS PORT
	[ "$(exec ip netns exec "h$1" /usr/libexec/busybox/timeout 3 /usr/libexec/busybox/nc -w 2 "$2" "$3" </dev/null 2>/dev/null)" = hello ] && echo "h$1 talks to $2:$3" || echo "h$1 gets nothing of $2:$3"
}
serves() { ip netns exec "h$1" /usr/libexec/busybox/nc -ll -p "$2" -e echo hello & }

for n in 1 2 3; do
	ip netns add h$n
	ip link add p$n type veth peer name eth0 netns h$n
	ip netns exec h$n ethtool -K eth0 tx off tso off gso off >/dev/null
	ip -n h$n link set eth0 up
done
ip -n h2 link add link eth0 name tag type vlan id 20
host 1 eth0 10.20.0.21 fd00:20::21
host 2 tag 10.20.0.11 fd00:20::11
host 3 eth0 10.20.0.31 fd00:20::31
serves 2 443
serves 3 5432
serves 1 22

sh /lab/bridge-prepare --bridge cordon0 p1:pvid=20 p2:vids=20 p3:pvid=20
$cordond --nft-args >/args
$nft @/args >/nft.log 2>&1 &
first=$!
until_true test -S /run/cordon/nft.sock
sh /lab/bridge-prepare --bridge cordon0 --up
echo before a policy
pings 1 10.20.0.11
$cordond >/cordond.log 2>&1 &
until_true $cordon status
$cordon commit /lab/policy -m first | grep -q 'generation *1 is active' && echo committed
for n in 1 2 3; do says $n; done
until_true bound 10.20.0.21 10.20.0.11 10.20.0.31 fd00:20::21 fd00:20::11 fd00:20::31
pings 1 10.20.0.11
pings 1 fd00:20::11
pings 1 10.20.0.31
tcp 1 10.20.0.11 443
tcp 2 10.20.0.31 5432
tcp 1 10.20.0.31 5432
tcp 2 10.20.0.21 22

echo killed and started again
kill -9 $first
pings 1 fd00:20::11
$nft @/args >>/nft.log 2>&1 &
until_true sh -c "$cordon status | grep -Eq 'nft +active'"
ip -n h3 addr add 10.20.0.32/24 dev eth0
ip netns exec h3 ping -c1 -W1 -I 10.20.0.32 10.20.0.254 >/dev/null
until_true bound 10.20.0.32
pings 1 10.20.0.11
pings 1 10.20.0.31

echo asked with packets
$cordon verify -o table 2>&1
echo verify ended with $?
bridge vlan show dev cordonp0 | sed 1d

echo the end
$cordon status
$cordon status -o json | grep -o '"layout":"[a-z-]*"'
cat /nft.log /cordond.log
