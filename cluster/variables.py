"""The variables that docker-compose.yml reads beside the settings of app/settings.py: default and meaning of each.

Compose reads them from the environment and from the file `.env`; `.env.example` lists them.
"""

from pydantic import Field
from pydantic_settings import BaseSettings

RANGE = r"^\d{1,5}(-\d{1,5})?$"
AMOUNT = r"^\d+[mg]$"


def _port(default: int, meaning: str) -> int:
    port: int = Field(default, ge=1, le=65535, description=f"Port on this machine of {meaning}")
    return port


class Variables(BaseSettings):
    """What docker compose is told; the containers themselves know other ports, and of this what it passes on."""

    bind_addr: str = Field("127.0.0.1", description="Address of this machine that ports are published at")
    kafka_advertised_host: str = Field(
        "127.0.0.1", description="Where clients outside the containers reach Kafka; a name or address of this machine"
    )
    kafka_port: int = _port(9092, "Kafka")
    postgres_port: int = _port(5433, "Postgres")
    spark_master_ui_port: int = _port(8080, "the page of the Spark master")
    spark_worker_ui_ports: str = Field(
        "8081-8089", pattern=RANGE, description="Ports on this machine of the pages of Spark workers, one for each"
    )
    spark_history_port: int = _port(18080, "the Spark history server")
    namenode_ui_port: int = _port(9870, "the page of the HDFS namenode")
    pgadmin_port: int = _port(5050, "pgAdmin")
    spark_worker_cores: int = Field(
        8, ge=2, le=1024, description="Places for tasks on a Spark worker; each job takes two of them"
    )
    spark_worker_memory: str = Field("4g", pattern=AMOUNT, description="Memory of a Spark worker for executors")
    spark_worker_limit: str = Field("6g", pattern=AMOUNT, description="Memory that the container of a worker may take")
    hive_server_memory: str = Field("768m", pattern=AMOUNT, description="Memory of HiveServer2's Java heap")
    hive_server_limit: str = Field(
        "1536m", pattern=AMOUNT, description="Memory that the container of HiveServer2 may take; 768m beside its heap"
    )
    batch_every: int = Field(120, ge=1, description="Seconds between two runs of the batch job")
    producer_rate: int = Field(20, ge=0, description="Messages a second of each producer; 0: no limit")


# Those that a test or a second stack on one machine must choose anew: the settings API_PORT, … are among them.
PORTS = (
    *(name.upper() for name in Variables.model_fields if name.endswith(("_port", "_ports"))),
    "API_PORT", "DASHBOARD_PORT", "HIVE_SERVER_PORT",
)  # fmt: skip
