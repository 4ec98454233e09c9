"""What an inspection means: configuration in ``spec``, in one form whatever engine wrote it; the rest elsewhere."""

import pytest

from agents.docker import identity, mapping, stacks, stores, swarm, wire, wire_swarm
from schemas.resources import Health, Kind, SourceRef, Status

SOURCE = SourceRef(provider="docker", name="lab")
ID, OTHER = "a" * 64, "b" * 64


def inspection(*, container_id=ID, name="/web", state=None, config=None, host=None, **more):
    return wire.Container.model_validate(
        {
            "Id": container_id,
            "Name": name,
            "Image": "sha256:1",
            "State": {"Status": "running", **(state or {})},
            "Config": {"Image": "nginx:1", **(config or {})},
            "HostConfig": host or {},
            **more,
        }
    )


def resource(**given):
    found = inspection(**given)
    return mapping.container(SOURCE, found, {found.id: "web"})


def spec(**given):
    return resource(**given).spec


@pytest.mark.parametrize(
    ("state", "status", "native"),
    [
        ({"Status": "running"}, Status.RUNNING, "running"),
        ({"Status": "exited", "ExitCode": 0}, Status.STOPPED, "exited (0)"),
        ({"Status": "exited", "ExitCode": 137}, Status.STOPPED, "exited (137)"),
        ({"Status": "paused"}, Status.PAUSED, "paused"),
        ({"Status": "restarting"}, Status.PENDING, "restarting"),
        ({"Status": "created"}, Status.STOPPED, "created"),
        ({"Status": "removing"}, Status.PENDING, "removing"),
        ({"Status": "dead"}, Status.FAILED, "dead"),
        ({"Status": "configured"}, Status.STOPPED, "configured"),
        ({"Status": "improper"}, Status.UNKNOWN, "improper"),
    ],
)
def test_a_state_has_its_status_and_keeps_the_engines_word(state, status, native):
    found = resource(state=state)

    assert (found.status, found.native_status) == (status, native)


@pytest.mark.parametrize(
    ("state", "health"),
    [
        ({"Health": {"Status": "healthy"}}, Health.OK),
        ({"Health": {"Status": "unhealthy"}}, Health.FAILING),
        ({"Health": {"Status": "starting"}}, Health.UNKNOWN),
        ({"Health": {"Status": ""}}, Health.UNKNOWN),
        ({"Health": None}, Health.UNKNOWN),
        ({"Status": "exited", "Health": {"Status": "unhealthy"}}, Health.UNKNOWN),
    ],
)
def test_only_a_running_container_with_a_check_has_a_health(state, health):
    assert resource(state=state).health is health


def test_the_spec_always_has_the_same_entries():
    assert spec().keys() == spec(host={"Memory": 1, "Privileged": True}, config={"User": "me"}).keys()


def test_what_the_engine_chose_is_not_in_the_spec():
    """Two containers of one configuration differ in ids, addresses, host ports, start and the image's digest only."""
    first, second = (
        inspection(
            container_id=one * 64,
            config={"Hostname": one * 12},
            host={"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": port}]}},
            Image=f"sha256:{one}",
            RestartCount=int(one, 16),
            State={"Status": "running", "StartedAt": f"2026-01-0{int(one, 16) - 9}T00:00:00Z"},
            Mounts=[{"Type": "volume", "Name": one * 64, "Destination": "/data", "RW": True}],
            NetworkSettings={
                "Networks": {"bridge": {"IPAddress": f"172.17.0.{int(one, 16)}", "IPAMConfig": None}},
                "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": f"3276{int(one, 16) - 9}"}]},
            },
        )
        for one, port in (("a", ""), ("b", "0"))
    )
    shown = [mapping.container(SOURCE, found, {found.id: "web"}) for found in (first, second)]

    assert shown[0].spec == shown[1].spec
    assert shown[0].spec["ports"] == ["80/tcp"]
    assert shown[0].spec["mounts"] == [{"type": "volume", "source": None, "target": "/data", "read_only": False}]
    assert shown[0].native["ports"] == ["32761:80/tcp"]
    assert shown[0].native["volumes"] == ["a" * 64]
    assert shown[0].addresses == ("172.17.0.10",)


def test_ports_are_written_as_compose_writes_them():
    bindings = {
        "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "53"}],
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
        "443/tcp": None,
    }

    assert spec(host={"PortBindings": bindings})["ports"] == ["127.0.0.1:53:53/udp", "443/tcp", "8080:80/tcp"]


def test_a_host_name_is_one_that_somebody_set():
    assert spec(config={"Hostname": "a" * 12})["hostname"] is None
    assert spec(config={"Hostname": "lab"}, host={"NetworkMode": "host"})["hostname"] is None
    assert spec(config={"Hostname": "mail"})["hostname"] == "mail"


def test_a_static_address_is_configuration():
    networks = {"front": {"IPAddress": "10.0.0.5", "IPAMConfig": {"IPv4Address": "10.0.0.5"}}, "back": {}}

    assert spec(NetworkSettings={"Networks": networks})["networks"] == {"back": [], "front": ["10.0.0.5"]}


def test_a_shared_network_names_the_other_container_by_its_key():
    found = inspection(host={"NetworkMode": f"container:{OTHER}"})

    shown = mapping.container(SOURCE, found, {ID: "web", OTHER: "vpn"})
    assert shown.spec["network_mode"] == "container:vpn"


@pytest.mark.parametrize(
    ("host", "entry", "expected"),
    [
        ({"NetworkMode": "default"}, "network_mode", "bridge"),
        ({"RestartPolicy": {"Name": ""}}, "restart_policy", "no"),
        ({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}, "restart_policy", "on-failure:3"),
        ({"RestartPolicy": {"Name": "unless-stopped"}}, "restart_policy", "unless-stopped"),
        ({"NanoCpus": 1_500_000_000}, "cpus", 1.5),
        ({"CpuQuota": 50_000, "CpuPeriod": 100_000}, "cpus", 0.5),
        ({"CpuQuota": -1}, "cpus", None),
        ({"Memory": 0}, "memory_bytes", None),
        ({"Memory": 1024}, "memory_bytes", 1024),
        ({"PidsLimit": -1}, "pids_limit", None),
        ({"CapAdd": ["CAP_SYS_TIME", "net_admin"]}, "cap_add", ["NET_ADMIN", "SYS_TIME"]),
        (
            {"Devices": [{"PathOnHost": "/dev/dri", "PathInContainer": "/dev/dri", "CgroupPermissions": "rwm"}]},
            "devices",
            ["/dev/dri:/dev/dri:rwm"],
        ),
        ({"DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]]}]}, "device_requests", [":all:gpu"]),
        (
            {"Tmpfs": {"/tmp": "size=1m"}},
            "mounts",
            [{"type": "tmpfs", "source": None, "target": "/tmp", "read_only": False}],
        ),
    ],
)
def test_a_setting_has_one_form(host, entry, expected):
    assert spec(host=host)[entry] == expected


def test_the_size_is_what_the_container_is_given():
    gpus = [{"Count": 2, "Capabilities": [["gpu"]]}, {"DeviceIDs": ["3"], "Count": 0, "Driver": "nvidia"}]
    size = resource(host={"NanoCpus": 250_000_000, "Memory": 64, "DeviceRequests": gpus}).size

    assert (size.cpu_cores, size.memory_bytes, size.gpus) == (0.25, 64, 3)
    assert resource().size.cpu_cores is None


def test_a_container_points_at_what_it_uses():
    found = resource(
        config={"Labels": {identity.PROJECT: "shop"}},
        Mounts=[{"Type": "volume", "Name": "data", "Destination": "/d"}, {"Type": "bind", "Destination": "/b"}],
        NetworkSettings={"Networks": {"shop_default": {}}},
    )

    assert found.parent == "docker/lab/stack/shop"
    assert {(one.type, one.key) for one in found.relations} == {
        ("attached", "docker/lab/network/shop_default"),
        ("made_from", "docker/lab/image/sha256:1"),
        ("uses", "docker/lab/volume/data"),
    }


def test_podmans_ids_and_single_string_entrypoints_are_read():
    found = resource(Image="ab12", config={"Entrypoint": "/bin/app --fast", "Cmd": None, "Env": None, "Labels": None})

    assert found.native["image_id"] == "sha256:ab12"
    assert found.spec["entrypoint"] == ["/bin/app", "--fast"]


def member(service, *, status="running", exit_code=0, restart="no", health=None, **labels):
    labels = {identity.PROJECT: "shop", identity.SERVICE: service, **labels}
    state = {"Status": status, "ExitCode": exit_code, "Health": {"Status": health} if health else None}
    found = inspection(
        container_id=service.ljust(64, "0"),
        state=state,
        config={"Labels": labels},
        host={"RestartPolicy": {"Name": restart}},
    )
    return found, mapping.container(SOURCE, found, {found.id: service})


@pytest.mark.parametrize(
    ("members", "status", "health", "native"),
    [
        ([member("a"), member("b")], Status.RUNNING, Health.OK, "2/2 running"),
        ([member("a"), member("b", status="exited", restart="always")], Status.RUNNING, Health.DEGRADED, "1/2 running"),
        ([member("a"), member("b", status="exited")], Status.RUNNING, Health.OK, "1/2 running"),
        ([member("a"), member("b", status="exited", exit_code=1)], Status.RUNNING, Health.DEGRADED, "1/2 running"),
        ([member("a"), member("b", health="unhealthy")], Status.RUNNING, Health.DEGRADED, "2/2 running"),
        ([member("a", status="exited")], Status.STOPPED, Health.UNKNOWN, "0/1 running"),
        (
            [member("a"), member("b", status="exited", exit_code=1, **{identity.ONE_OFF: "True"})],
            Status.RUNNING,
            Health.OK,
            "1/1 running",
        ),
    ],
)
def test_a_stack_is_as_well_as_its_containers(members, status, health, native):
    (stack,) = stacks.stacks(SOURCE, members)

    assert (stack.key, stack.status, stack.health) == ("docker/lab/stack/shop", status, health)
    assert stack.native_status == native


def test_a_stack_says_its_services_and_where_it_was_written():
    files = {stacks.CONFIG_FILES: "/srv/b.yaml,/srv/a.yaml", stacks.WORKING_DIR: "/srv"}
    (stack,) = stacks.stacks(SOURCE, [member("web", **files), member("db", **files)])

    assert stack.spec == {
        "services": ["db", "web"],
        "working_dir": "/srv",
        "config_files": ["/srv/a.yaml", "/srv/b.yaml"],
    }


def test_an_image_is_named_by_its_first_tag_and_known_by_its_id():
    rows = [{"Id": "sha256:1", "RepoTags": ["b:1", "a:1"], "Size": 5}, {"Id": "2", "RepoTags": None, "Size": 5}]
    rows += [{"Id": "sha256:3", "RepoTags": ["<none>:<none>"], "Size": 5}]
    found = {one.native_id: one for one in stores.images(SOURCE, [wire.Image.model_validate(row) for row in rows])}

    assert {key: one.name for key, one in found.items()} == {
        "sha256:1": "a:1",
        "sha256:2": "<none>",
        "sha256:3": "<none>",
    }
    assert found["sha256:1"].spec == {"tags": ["a:1", "b:1"]}


def test_a_volumes_date_counts_only_where_the_engine_keeps_it():
    row = wire.Volume.model_validate({"Name": "v", "Driver": "local", "CreatedAt": "2026-01-01T00:00:00Z"})
    (old,), (new,) = stores.volumes(SOURCE, [row], dated=False), stores.volumes(SOURCE, [row], dated=True)

    assert (old.incarnation, old.created_at) == ("", None)
    assert new.incarnation == "2026-01-01T00:00:00Z"


def test_a_network_the_engine_makes_at_each_start_has_no_incarnation():
    rows = [wire.Network.model_validate({"Id": ID, "Name": name, "Driver": "bridge"}) for name in ("bridge", "mine")]
    native_ids = {ID: "n"}

    assert [one.incarnation for one in stores.networks(SOURCE, rows, native_ids)] == ["", ID]


def task(task_id, created, *, slot=1, state="running", desired="running", node="n1"):
    return {
        "ID": task_id,
        "CreatedAt": created,
        "ServiceID": "s1",
        "NodeID": node,
        "Slot": slot,
        "Status": {"State": state},
        "DesiredState": desired,
    }


def picture(tasks, mode):
    service = {"ID": "s1", "Spec": {"Name": "web", "TaskTemplate": {}, "Mode": mode}}
    return swarm.Picture(
        cluster=wire_swarm.Cluster.model_validate({"ID": "c1"}),
        services=[wire_swarm.Service.model_validate(service)],
        tasks=[wire_swarm.Task.model_validate(one) for one in tasks],
        nodes=[],
        network_names={},
    )


def test_only_the_newest_task_of_a_slot_counts():
    """The engine leaves trailing zeros out of its times, so they are compared as times."""
    tasks = [
        task("old", "2026-01-01T00:00:00.5Z", state="failed", desired="shutdown"),
        task("new", "2026-01-01T00:00:00.51Z"),
        task("two", "2026-01-01T00:00:00Z", slot=2, state="preparing"),
    ]
    found = {one.native_id: one for one in swarm.resources(SOURCE, picture(tasks, {"Replicated": {"Replicas": 2}}))}

    assert (found["web.1"].incarnation, found["web.1"].status) == ("new", Status.RUNNING)
    assert found["web.2"].status is Status.PENDING
    assert (found["web"].native_status, found["web"].health) == ("1/2", Health.DEGRADED)


def test_a_task_that_every_node_has_is_known_by_its_node():
    tasks = [task("t1", "1", slot=0, node="n1"), task("t2", "1", slot=0, node="n2")]
    found = swarm.resources(SOURCE, picture(tasks, {"Global": {}}))

    assert {one.native_id for one in found if one.kind is Kind.POD} == {"web.n1", "web.n2"}
    assert next(one for one in found if one.kind is Kind.SERVICE).native_status == "2/2"


def test_a_service_scaled_to_nothing_is_stopped_and_one_that_cannot_start_is_failing():
    none = swarm.resources(SOURCE, picture([], {"Replicated": {"Replicas": 0}}))
    stuck = swarm.resources(
        SOURCE, picture([task("t", "1", state="rejected", desired="running")], {"Replicated": {"Replicas": 1}})
    )

    assert [(one.status, one.health) for one in none if one.kind is Kind.SERVICE] == [(Status.STOPPED, Health.UNKNOWN)]
    assert [(one.status, one.health) for one in stuck if one.kind is Kind.SERVICE] == [(Status.PENDING, Health.FAILING)]
