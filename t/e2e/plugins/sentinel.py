"""A Redis, its replica and three Sentinels, as they are run; and Sentinels that say what a test wants."""
import shutil
import signal
import subprocess

import redis

from .redis import PASSWORD, Redis
from .told import Told
from .wait import eventually, free_port

NAME = "main"
DOWN_AFTER = 2000


class Sentinel:
    def __init__(self, folder, kind="tcp", certs=None):
        self.folder, self.kind, self.certs, self.port, self.process = folder, kind, certs, free_port(), None
        folder.mkdir(parents=True)

    def configure(self, master):
        lines = [f"dir {self.folder}", f"logfile {self.folder}/sentinel.log", "daemonize no", "bind 127.0.0.1",
                 f"sentinel monitor {NAME} 127.0.0.1 {master.port} 2",
                 f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER}", f"sentinel failover-timeout {NAME} 6000"]
        if self.kind == "tls":
            leaf = self.certs / "leaf"
            lines += ["port 0", f"tls-port {self.port}", f"tls-cert-file {leaf}/cert.pem", "tls-replication yes",
                      f"tls-key-file {leaf}/key.pem", f"tls-ca-cert-file {self.certs}/ca/cert.pem", "tls-auth-clients no"]
        else:
            lines.append(f"port {self.port}")
        if self.kind == "password":
            lines += [f'requirepass "{PASSWORD}-sentinel"', f'sentinel sentinel-pass "{PASSWORD}-sentinel"',
                      f'sentinel auth-pass {NAME} "{PASSWORD}"']
        (self.folder / "sentinel.conf").write_text("\n".join(lines) + "\n")
        (self.folder / "password").write_text(f"{PASSWORD}-sentinel\n")

    def start(self):
        self.process = subprocess.Popen([shutil.which("redis-server"), str(self.folder / "sentinel.conf"), "--sentinel"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: self.ask("PING"), timeout=15)
        return self

    def ask(self, *command):
        tls = {"ssl": True, "ssl_ca_certs": f"{self.certs}/ca/cert.pem"} if self.kind == "tls" else {}
        password = f"{PASSWORD}-sentinel" if self.kind == "password" else None
        client = redis.Redis("127.0.0.1", self.port, password=password, decode_responses=True, socket_timeout=5, **tls)
        try:
            return client.execute_command(*command)
        except redis.RedisError as error:
            raise AssertionError(str(error)) from error
        finally:
            client.close()

    def signal(self, how):
        self.process.send_signal(how)

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(timeout=10)
        self.process = None


class Group:
    def __init__(self, folder, kind="tcp", certs=None):
        self.kind = kind
        self.nodes = [Redis(folder / f"node{i}", kind, certs) for i in range(2)]
        self.sentinels = [Sentinel(folder / f"sentinel{i}", kind, certs) for i in range(3)]

    def start(self):
        for node in self.nodes:
            node.start()
            if self.kind == "password":
                node.client.config_set("masterauth", PASSWORD)
            if self.kind == "tls":
                node.client.config_set("tls-replication", "yes")
        self.nodes[1].client.execute_command("REPLICAOF", "127.0.0.1", self.nodes[0].port)
        self.replicated()
        for sentinel in self.sentinels:
            sentinel.configure(self.nodes[0])
            sentinel.start()

        def acquainted():
            for sentinel in self.sentinels:
                assert sentinel.ask("SENTINEL", "CKQUORUM", NAME)
                assert len(sentinel.ask("SENTINEL", "SENTINELS", NAME)) == 2
                assert len(sentinel.ask("SENTINEL", "REPLICAS", NAME)) == 1
            return True

        eventually(acquainted, timeout=30)
        return self

    def stop(self):
        for process in self.sentinels + self.nodes:
            process.stop()

    def replicated(self):
        eventually(lambda: self.nodes[1].client.info("replication").get("master_link_status") == "up", timeout=20)

    @property
    def address(self):
        scheme = "rediss" if self.kind == "tls" else "redis"
        return f"{scheme}+sentinel://" + ",".join(f"127.0.0.1:{s.port}" for s in self.sentinels) + f"/{NAME}"

    @property
    def store(self):
        options = ""
        if self.kind == "password":
            options = (f" password_file={self.nodes[0].folder}/password"
                       f" sentinel_password_file={self.sentinels[0].folder}/password")
        if self.kind == "tls":
            options = f" ca={self.nodes[0].certs}/ca/cert.pem"
        return self.address + options

    @property
    def master(self):
        """Whom the first Sentinel that answers names."""
        for sentinel in self.sentinels:
            if sentinel.process is not None:
                _, port = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
                return next(node for node in self.nodes if node.port == int(port))
        raise AssertionError("no Sentinel is there")

    def moved_from(self, old, timeout=40):
        """Waits until a majority names another master, and that one is one."""
        def moved():
            named = [s.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1] for s in self.sentinels]
            assert named.count(str(old.port)) == 0, named
            assert self.master.client.role()[0] == "master"
            return True
        eventually(moved, timeout=timeout, interval=0.1)
        return self.master


class FakeSentinel(Told):
    """Names whom it is told to."""

    question = b"GET-MASTER-ADDR-BY-NAME"

    def answer(self):
        port = str(self.names).encode()
        return b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%s\r\n" % (len(port), port)
