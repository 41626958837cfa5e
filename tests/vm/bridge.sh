# Run in a guest, with bridge.nft beside it: a VLAN-filtering bridge between h1 (access, VLAN 20), h2 (trunk; its end of
# VLAN 30 is h4) and h3 (access, VLAN 30), with the same addresses in both VLANs. Prints one line for each finding.
ip link add br0 type bridge vlan_filtering 1 vlan_default_pvid 0 mcast_snooping 0 forward_delay 0
echo 1 >/proc/sys/net/ipv6/conf/br0/disable_ipv6
for n in 1 2 3; do
	ip netns add h$n
	ip link add p$n type veth peer name eth0 netns h$n
	ip netns exec h$n ethtool -K eth0 tx off >/dev/null
	ip -n h$n link set eth0 up
	ip link set p$n master br0 up
done
ip link set br0 up
bridge vlan add dev p1 vid 20 pvid untagged
bridge vlan add dev p2 vid 20
bridge vlan add dev p2 vid 30
bridge vlan add dev p3 vid 30 pvid untagged
ip netns add h4
ip -n h2 link add link eth0 name trunk20 type vlan id 20
ip -n h2 link add link eth0 name trunk30 netns h4 type vlan id 30
ip -n h1 addr add 10.0.0.1/24 dev eth0
ip -n h3 addr add 10.0.0.1/24 dev eth0
ip -n h2 addr add 10.0.0.2/24 dev trunk20
ip -n h4 addr add 10.0.0.2/24 dev trunk30
ip -n h2 link set trunk20 up
ip -n h4 link set trunk30 up

nft -f /lab/bridge.nft && echo rules accepted
pings() { ip netns exec "$1" ping -c1 -W2 10.0.0.2 >/dev/null && echo "$1 answered"; }
pings h1
pings h3
conntrack -L 2>/dev/null | sed -n 's/^icmp .*mark=\([0-9]*\) zone=\([0-9]*\).*/tracked in \2 with mark \1/p' | sort
tries() { # HOST ADDRESS PORT: what a client is told
	ip netns exec "$1" /usr/libexec/busybox/nc -w 3 "$2" "$3" </dev/null 2>&1 | sed "s/^/$1 $3 /"
}
tries h1 10.0.0.2 81
tries h1 10.0.0.2 82
tries h2 10.0.0.1 81
nft list counters | tr -d '\n' | grep -oE 'counter [a-z0-9_]+ \{[[:space:]]*packets [0-9]+' | sed 's/ {[[:space:]]*packets/ =/'

echo VLAN 20 cut
bridge vlan del dev p2 vid 20
pings h1
pings h3
