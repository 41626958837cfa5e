# Run in a guest: the kernel engine between staff (h1, access), web (h2, behind a trunk) and db (h3, access), on a bridge
# that keeps VLANs apart and tracks connections. $1: build directory. Prints one line for each finding, under headings.
nft=$1/controlplane/nft/cordon-nft
cordond="$1/controlplane/daemon/cordond --config /lab/engine.yaml --run-dir /run/cordon"
cordon="$1/controlplane/cli/cordon --socket /run/cordon/api.sock"
busybox=/usr/libexec/busybox
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
says() { for address in 10.20.0.254 fd00:20::fe; do ip netns exec "h$1" ping -c1 -W0.2 $address; done; } # nobody answers
reaches() { ip netns exec "h$1" ping -c1 -W"${3:-3}" "$2" >/dev/null; }
pings() { reaches "$1" "$2" && echo "h$1 reaches $2" || echo "h$1 does not reach $2"; }
# Attempts side by side, since what is denied waits; what comes of them is printed in order by `answers`.
attempts=0
attempt() { # COMMAND...
	attempts=$((attempts + 1))
	"$@" >/tmp/attempt.$attempts &
	waited="$waited $!"
}
answers() {
	wait $waited
	for number in $(seq $attempts); do cat /tmp/attempt.$number; done
	attempts=0 waited=
}
# what a server says back, if it does
speaks() { [ "$(echo hello | ip netns exec "h$1" $busybox/timeout $((${4:-2} + 2)) $busybox/nc -w "${4:-2}" "$2" "$3" 2>/dev/null)" = hello ]; } # NUMBER ADDRESS PORT [SECONDS]
tcp() { speaks "$@" && echo "h$1 talks to $2:$3" || echo "h$1 gets nothing of $2:$3"; } # NUMBER ADDRESS PORT
serves() { ip netns exec "h$1" $busybox/nc -ll -p "$2" -e cat & }

heading() { printf '%s\n# after %s s\n' "$1" "$(cut -d ' ' -f 1 /proc/uptime)"; }
start_nft() { $nft @/args >>/nft.log 2>&1 & engine=$!; }
end_nft() { # SIGNAL; without the shell's word about it
	kill -"$1" $engine
	wait $engine 2>/dev/null
}
start_cordond() { $cordond >>/cordond.log 2>&1 & daemon=$!; }
logged() { grep -c "$1" /nft.log; }
adopted() { logged 'was in force before us, and stays'; }
more_adopted() { [ "$(adopted)" -gt "$1" ]; }
active() { $cordon status | grep -Eq 'nft +active.*as committed'; }
# all that is in force, without counters and without what comes and goes with frames
held() { nft -s list table bridge cordon | sed '/set fresh/,/^	}/d'; }

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
for key in tcp_timeout_time_wait tcp_timeout_close icmp_timeout icmpv6_timeout; do
	echo 1 >/proc/sys/net/netfilter/nf_conntrack_$key # so that sessions end while we are here
done
$cordond --nft-args >/args
start_nft
until_true test -S /run/cordon/nft.sock
sh /lab/bridge-prepare --bridge cordon0 --up
heading 'before a policy'
pings 1 10.20.0.11

start_cordond
until_true $cordon status
$cordon commit /lab/policy -m first | grep -q 'generation *1 is active' && heading committed
for n in 1 2 3; do attempt says $n; done
answers >/dev/null
until_true bound 10.20.0.21 10.20.0.11 10.20.0.31 fd00:20::21 fd00:20::11 fd00:20::31
for address in 10.20.0.11 fd00:20::11 10.20.0.31 fd00:20::31; do attempt pings 1 $address; done
for web in 10.20.0.11 fd00:20::11; do attempt tcp 1 $web 443; done
for db in 10.20.0.31 fd00:20::31; do
	attempt tcp 2 $db 5432
	attempt tcp 1 $db 5432
done
for staff in 10.20.0.21 fd00:20::21; do attempt tcp 2 $staff 22; done
answers

heading 'recorded'
ended() { conntrack -L >/dev/null 2>&1; ! $cordon flows --since 1h -n 1000 -o jsonl | grep -q '"live":true'; } # a list takes away what is over
until_true ended
$cordon flows --since 1h -n 1000 -o jsonl

heading 'restarted under traffic'
# One connection that lives through it all, new ones all the time, and those that are denied.
mkfifo /talk
ip netns exec h1 $busybox/nc 10.20.0.11 443 </talk >/heard &
exec 3>/talk
echo before >&3
touch /going
# A ping's packet is sent once, so one that is dropped stays lost however long is waited for it; a dropped SYN is sent again, and counted.
syns_again() { ip netns exec h1 $busybox/awk '$1 == "TcpExt:" { if (column) print $column; for (i = 1; i <= NF; i++) if ($i == "TCPSynRetrans") column = i }' /proc/net/netstat; }
again=$(syns_again)
passes() { "$@" || echo "no: $* after $(cut -d ' ' -f 1 /proc/uptime) s"; }
while [ -e /going ]; do
	passes reaches 1 10.20.0.11 9
	passes reaches 1 fd00:20::11 9
	passes speaks 1 10.20.0.11 443 9
	echo yes
done >/allowed &
allowed=$!
while [ -e /going ]; do
	reaches 1 10.20.0.31 0.3 || reaches 1 fd00:20::31 0.3 || speaks 2 10.20.0.21 22 1 && echo yes || echo no
done >/denied &
denied=$!
for signal in KILL TERM; do
	before=$(adopted)
	end_nft $signal
	start_nft
	until_true more_adopted $before
	until_true active
done
echo "adopted $(adopted) times"
enough() { [ "$(wc -l </allowed)" -gt 2 ] && [ "$(wc -l </denied)" -gt 2 ]; }
until_true enough
rm /going
wait $allowed $denied
echo after >&3
until_true grep -q after /heard
exec 3>&-
echo "the connection: $(tr '\n' ' ' </heard)"
echo "what is allowed: $(sort -u /allowed | tr '\n' ' ')"
echo "SYNs sent again: $(($(syns_again) - again))"
echo "what is denied: $(sort -u /denied | tr '\n' ' ')"
enough || echo "too little was tried: $(wc -l </allowed), $(wc -l </denied)"

heading 'adopted alone'
kill $daemon
wait $daemon
held >/held
before=$(adopted)
end_nft KILL
start_nft
until_true more_adopted $before
held | cmp - /held && echo 'the tables are the same'
for address in 10.20.0.11 fd00:20::11 10.20.0.31 fd00:20::31; do attempt pings 1 $address; done
attempt tcp 1 10.20.0.11 443
answers
start_cordond
until_true active
ip -n h3 addr add 10.20.0.32/24 dev eth0
ip netns exec h3 ping -c1 -W1 -I 10.20.0.32 10.20.0.254 >/dev/null
until_true bound 10.20.0.32
attempt pings 1 10.20.0.11
attempt pings 1 10.20.0.31
answers

heading 'killed while it loads'
# Without ping, with ssh, and with a reject: either all of it or nothing.
cp -r /lab/policy /lab/other
sed -i -e '/id: staff-ping/,/why/d' -e '/g-staff-db/s/action: drop/action: reject/' /lab/other/rules.yaml
sed -i '/staff ping the portal/d' /lab/other/tests.yaml
now() { sed 's/ .*//; s/\.//' /proc/uptime; } # in hundredths of a second
began=$(now)
$cordon commit /lab/other -m other | grep -q 'is active' && echo committed the other
took=$(($(now) - began))
for address in 10.20.0.11 fd00:20::11; do attempt pings 1 $address; done
told() { ip netns exec h1 $busybox/nc -w 2 "$1" 5432 </dev/null 2>&1 | grep -o 'refused'; }
for db in 10.20.0.31 fd00:20::31; do attempt told $db; done
answers
for part in 5 8; do
	$cordon rollback 1 -m back >/commit.log 2>&1
	$cordon commit /lab/other -m other >>/commit.log 2>&1 &
	commit=$!
	sleep "$(printf '%d.%02d' $((took * part / 1000)) $((took * part / 10 % 100)))"
	end_nft KILL
	for address in 10.20.0.11 fd00:20::11; do attempt pings 1 $address; done
	for db in 10.20.0.31 fd00:20::31; do attempt tcp 1 $db 5432; done
	answers >/found
	grep talks /found
	[ "$(grep -c reaches /found)" = 1 ] && echo 'a part of it is there'
	start_nft
	wait $commit
	until_true active
	echo "# killed: $(grep -c reaches /found) of 2 pings; then $($cordon status | sed -n 's/.*\(generation [0-9]*\).*/\1/p')"
done
$cordon rollback 1 -m back | grep -q 'is active' && pings 1 10.20.0.11

heading 'asked with packets'
$cordon verify -o table 2>&1
echo verify ended with $?
bridge vlan show dev cordonp0 | sed 1d

heading 'the end'
$cordon status
$cordon status -o json | grep -o '"layout":"[a-z-]*"'
cat /nft.log /cordond.log
