"""Drive the gateway with sushy, the library under Ironic's redfish driver.

For each way to log in: load the system, set the boot device once and
continuously as Ironic does, use every reset that is offered, and compare what
sushy reads, and what the simulated desktop really booted, with what was asked.

The boots are read from the simulator's control service, which no Redfish
client can see.
"""

import importlib.metadata
import json
import os
import sys
import time
import urllib.request

import sushy
from sushy import auth as sushy_auth

BASE = os.environ["GATEWAY"]
USER = os.environ["GATEWAY_USER"]
PASSWORD = os.environ["GATEWAY_PASSWORD"]
CA = os.environ["GATEWAY_CA"]
CONTROL = os.environ["SIMULATOR"]

WAIT = 90  # seconds; a desktop's boot takes some ten of them

checks = 0


def check(what, got, want):
    global checks
    checks += 1
    if got != want:
        sys.exit(f"sushy: {what}: got {got!r}, want {want!r}")


def control(machine, path="", body=None):
    request = urllib.request.Request(
        f"{CONTROL}/machines/{machine}{path}", method="GET" if body is None else "POST",
        data=None if body is None else json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


def boots(machine):
    return [boot["device"] for boot in control(machine, "/boots")]


def eventually(what, read, want):
    deadline = time.monotonic() + WAIT
    while True:
        got = read()
        if got == want or time.monotonic() > deadline:
            return check(what, got, want)
        time.sleep(0.5)


def wait_power(system, want):
    def read():
        system.refresh(force=True)
        return system.power_state
    eventually("power state", read, want)


def wait_boots(machine, want):
    eventually(f"boots of {machine}", lambda: boots(machine), want)


def wait_system_up(machine):
    eventually(f"the operating system of {machine} runs", lambda: control(machine)["busy"], False)


def override(system):
    system.refresh(force=True)
    return system.boot.target, system.boot.enabled


def drive(name, auth, machine):
    root = sushy.Sushy(BASE, verify=CA, auth=auth)
    check("systems", machine in [s.identity for s in root.get_system_collection().get_members()], True)
    system = root.get_system(f"/redfish/v1/Systems/{machine}")
    check("managers", len(system.managers), 1)
    check("chassis", [c.identity for c in system.chassis], [machine])
    check("boot mode", system.boot.mode, sushy.BOOT_SOURCE_MODE_UEFI)
    check("pxe is offered", sushy.BOOT_SOURCE_TARGET_PXE in system.get_allowed_system_boot_source_values(), True)
    seen = boots(machine)

    # One boot over the network, then the disk: Ironic's deploy.
    system.set_system_boot_options(target=sushy.BOOT_SOURCE_TARGET_PXE, enabled=sushy.BOOT_SOURCE_ENABLED_ONCE)
    check("override", override(system), (sushy.BOOT_SOURCE_TARGET_PXE, sushy.BOOT_SOURCE_ENABLED_ONCE))
    system.reset_system(sushy.RESET_TYPE_ON)
    check("override after the start", override(system), (sushy.BOOT_SOURCE_TARGET_NONE, sushy.BOOT_SOURCE_ENABLED_DISABLED))
    wait_power(system, sushy.POWER_STATE_ON)
    seen += ["Pxe"]
    wait_boots(machine, seen)
    system.set_system_boot_options(target=sushy.BOOT_SOURCE_TARGET_HDD, enabled=sushy.BOOT_SOURCE_ENABLED_CONTINUOUS)
    system.set_system_boot_options(target=sushy.BOOT_SOURCE_TARGET_HDD)  # as Ironic does: enabled is left out
    check("override", override(system), (sushy.BOOT_SOURCE_TARGET_HDD, sushy.BOOT_SOURCE_ENABLED_CONTINUOUS))
    eventually("armed ahead", lambda: control(machine)["armed"]["device"], "Hdd")
    wait_system_up(machine)
    control(machine, "/host-reboot", {})  # the ramdisk restarts by itself
    seen += ["Hdd"]
    wait_boots(machine, seen)
    system.reset_system(sushy.RESET_TYPE_FORCE_OFF)
    system.reset_system(sushy.RESET_TYPE_ON)  # at once: it must not be taken for a no-op
    seen += ["Hdd"]
    wait_boots(machine, seen)

    # Continuous, over every restart that is offered.
    system.set_system_boot_options(target=sushy.BOOT_SOURCE_TARGET_PXE, enabled=sushy.BOOT_SOURCE_ENABLED_CONTINUOUS)
    wait_system_up(machine)
    control(machine, "/agent", {"value": True})
    eventually("graceful resets are offered", lambda: (system.refresh(force=True),
               sushy.RESET_TYPE_GRACEFUL_RESTART in system.get_allowed_reset_system_values())[1], True)
    for reset in (sushy.RESET_TYPE_FORCE_RESTART, sushy.RESET_TYPE_POWER_CYCLE, sushy.RESET_TYPE_GRACEFUL_RESTART):
        if reset == sushy.RESET_TYPE_GRACEFUL_RESTART:  # an agent in the operating system does it
            wait_system_up(machine)
            system.refresh(force=True)
        system.reset_system(reset)
        seen += ["Pxe"]
        wait_boots(machine, seen)
        wait_power(system, sushy.POWER_STATE_ON)
    check("override", override(system), (sushy.BOOT_SOURCE_TARGET_PXE, sushy.BOOT_SOURCE_ENABLED_CONTINUOUS))

    wait_system_up(machine)
    system.refresh(force=True)
    system.reset_system(sushy.RESET_TYPE_NMI)
    system.set_system_boot_options(target=sushy.BOOT_SOURCE_TARGET_NONE, enabled=sushy.BOOT_SOURCE_ENABLED_DISABLED)
    check("override", override(system), (sushy.BOOT_SOURCE_TARGET_NONE, sushy.BOOT_SOURCE_ENABLED_DISABLED))
    eventually("disarmed", lambda: control(machine)["armed"]["device"], "Default")
    system.reset_system(sushy.RESET_TYPE_GRACEFUL_SHUTDOWN)
    wait_power(system, sushy.POWER_STATE_OFF)
    system.reset_system(sushy.RESET_TYPE_FORCE_OFF)  # a no-op, and a success
    system.reset_system(sushy.RESET_TYPE_FORCE_ON)
    seen += ["Default"]
    wait_boots(machine, seen)
    system.reset_system(sushy.RESET_TYPE_ON)  # a no-op, and a success
    check("boots", boots(machine), seen)

    try:
        system.set_system_boot_options(mode=sushy.BOOT_SOURCE_MODE_BIOS)
    except sushy.exceptions.SushyError:
        check("mode", system.boot.mode, sushy.BOOT_SOURCE_MODE_UEFI)
    else:
        sys.exit("sushy: a boot mode that AMT cannot set was accepted")
    system.reset_system(sushy.RESET_TYPE_FORCE_OFF)
    wait_power(system, sushy.POWER_STATE_OFF)
    print(f"sushy, {name}: booted {', '.join(seen)}: as asked")


def refuse_wrong_password():
    try:
        sushy.Sushy(BASE, verify=CA, auth=sushy_auth.SessionOrBasicAuth(username=USER, password="wrong")).get_system_collection().get_members()
    except sushy.exceptions.AccessError:
        check("wrong password", True, True)
    else:
        sys.exit("sushy: a wrong password was accepted")


drive("Basic", sushy_auth.BasicAuth(username=USER, password=PASSWORD), "desk-01")
drive("session", sushy_auth.SessionAuth(username=USER, password=PASSWORD), "desk-02")
drive("session or Basic", sushy_auth.SessionOrBasicAuth(username=USER, password=PASSWORD), "desk-03")
refuse_wrong_password()
print(f"sushy {importlib.metadata.version('sushy')}: {checks} checks passed")
