"""The process of one Spark session: its settings come as an argument, a statement on each line of its input, rows or an
error go out on each line of its output, all of it JSON."""

import datetime
import decimal
import json
import sys

from pyspark.conf import SparkConf
from pyspark.sql import SparkSession


def plain(value):
    if isinstance(value, (decimal.Decimal, datetime.date)):
        return str(value)
    return value


def main():
    conf = SparkConf()
    for key, value in json.loads(sys.argv[1]).items():
        conf.set(key, value)
    out = sys.stdout
    # What Spark prints must not be taken for an answer.
    sys.stdout = sys.stderr
    session = SparkSession.builder.config(conf=conf).getOrCreate()
    for line in sys.stdin:
        try:
            rows = session.sql(json.loads(line)).collect()
            answer = {"rows": [[plain(value) for value in row] for row in rows]}
        except Exception as error:  # noqa: BLE001 - the test that asked is told, whatever it is
            answer = {"error": str(error)}
        print(json.dumps(answer), file=out, flush=True)
    session.stop()


if __name__ == "__main__":
    main()
