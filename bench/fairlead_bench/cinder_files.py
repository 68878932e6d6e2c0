"""The configuration of the Cinder that is compared with: what a small installation has, and a driver that does nothing.

uWSGI serves the API by two processes on two cores. MariaDB and RabbitMQ keep their defaults.
"""

from collections.abc import Mapping
from pathlib import Path

DRIVER = "cinder.tests.fake_driver.FakeLoggingVolumeDriver"
"""Cinder's own: exports nothing and answers at once, so only Cinder's control path is measured."""

_CINDER = """\
[DEFAULT]
host = bench
my_ip = 127.0.0.1
auth_strategy = noauth
api_paste_config = {packaged}/api-paste.ini
resource_query_filters_file = {packaged}/resource_filters.json
state_path = {folder}/state
transport_url = rabbit://cinder:{password}@127.0.0.1:{broker_port}/
enabled_backends = null
default_volume_type = __DEFAULT__
quota_volumes = -1
quota_gigabytes = -1
osapi_max_limit = 1000
debug = false
[null]
volume_driver = {driver}
volume_backend_name = null
[database]
connection = mysql+pymysql://cinder:{password}@127.0.0.1:{database_port}/cinder?charset=utf8mb3
[oslo_concurrency]
lock_path = {folder}/locks
[coordination]
backend_url = file://{folder}/coordination
[oslo_messaging_notifications]
driver = noop
"""

_UWSGI = """\
[uwsgi]
http-socket = 127.0.0.1:{port}
module = cinder.wsgi.api:application
pyargv = --config-file {folder}/cinder.conf
virtualenv = {environment}
master = true
processes = 2
threads = 1
enable-threads = true
lazy-apps = true
thunder-lock = true
die-on-term = true
no-orphans = true
need-app = true
# This kind of socket ends the connection after each answer; clients should know.
add-header = Connection: close
buffer-size = 65535
disable-logging = true
"""

_DATABASE = """\
CREATE DATABASE cinder CHARACTER SET utf8mb3;
CREATE USER cinder@'127.0.0.1' IDENTIFIED BY '{password}';
GRANT ALL ON cinder.* TO cinder@'127.0.0.1';
"""

_BROKER = """\
default_user = cinder
default_pass = {password}
listeners.tcp.1 = 127.0.0.1:{port}
"""


def write_cinder(
    folder: Path, *, environment: Path, password: str, api_port: int, database_port: int, broker_port: int
) -> None:
    """Write `cinder.conf` and `uwsgi.ini`, and make the folders that they name.

    Args:
        folder: of this Cinder.
        environment: the virtual environment that it is installed in.
        password: of database and broker.
        api_port: where the API will be.
        database_port: where MariaDB is.
        broker_port: where RabbitMQ is.
    """
    for name in ("state", "locks", "coordination"):
        (folder / name).mkdir()
    settings = _CINDER.format(
        folder=folder,
        packaged=environment / "etc" / "cinder",
        password=password,
        driver=DRIVER,
        database_port=database_port,
        broker_port=broker_port,
    )
    write_secret(folder / "cinder.conf", settings)
    (folder / "uwsgi.ini").write_text(_UWSGI.format(port=api_port, folder=folder, environment=environment))


def write_database(path: Path, *, password: str) -> None:
    """Write what MariaDB is to do at its first start."""
    write_secret(path, _DATABASE.format(password=password))


def write_broker(folder: Path, *, password: str, port: int) -> None:
    """Write RabbitMQ's files."""
    write_secret(folder / "rabbitmq.conf", _BROKER.format(password=password, port=port))
    (folder / "enabled_plugins").write_text("[].\n")
    (folder / "env.conf").write_text("")


def broker_environment(folder: Path, *, port: int, distribution_port: int, mapper_port: int) -> Mapping[str, str]:
    """What makes RabbitMQ keep everything in its folder and on loopback.

    Args:
        folder: with the files of `write_broker`.
        port: for clients.
        distribution_port: for other nodes, of which there are none.
        mapper_port: of the Erlang port mapper.
    """
    return {
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(mapper_port),
        "RABBITMQ_NODENAME": "bench@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution_port),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        # The script then becomes the server instead of waiting for it as a parent that could be lost.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner reads."""
    path.touch(mode=0o600)
    path.write_text(text)
