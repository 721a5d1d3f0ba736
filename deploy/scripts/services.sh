# Sourced by ./run: what may be ordered of a meter, and what it tells unasked, in one line each.
# shellcheck shell=bash

# The first meter of the fleet goes through all of it, while the others are polled.
show_services() {
    local meter
    meter=$(first_meter)
    order disconnect "$meter"
    order reconnect "$meter"
    order tariff push "$project/deploy/tariff-example.yaml" "$meter"
    new_firmware
    order firmware install sed302-SIM-2.0 "$meter"
    last_gasp "$meter"
}

# order COMMAND…: orders, and says what the meter showed when it was read back.
order() {
    local end
    end=$("$bin/amictl" "$@" --reason demonstration --yes --wait --timeout 2m 2>orders.log) ||
        fail "amictl $*: $end $(cat orders.log)"
    say "$end"
}

# An image as the simulated meters take it: any octets behind the version that they show once it runs.
new_firmware() {
    { echo 'version: SIM-2.0' && head -c 65536 /dev/urandom; } >firmware.bin
    say "$("$bin/amictl" firmware upload firmware.bin --model sed302 --version SIM-2.0 --identifier SIM-2.0)"
}

# Lets a meter say with its last strength that its supply is gone, and tells how that reaches whoever follows alarms.
last_gasp() {
    local id severity call
    # shellcheck disable=SC2154 # of ./run, which sources this
    read -ra call < <(arguments_of "${media[0]}")
    "$bin/simulator" push "${call[@]}" --key power.last_gasp >>"${media[0]}.log"
    wait_for 10 "the last gasp" alarm "$1"
    IFS=, read -r id _ _ _ severity _ < <(alarm "$1")
    say "$1: power.last_gasp heard and stored ($severity, alarm $id)"
}

# The latest last gasp of a meter as CSV; fails while there is none.
alarm() { "$bin/amictl" alarms list "$1" --alarm-key power.last_gasp --limit 1 --format csv | sed -n 2p | grep .; }
