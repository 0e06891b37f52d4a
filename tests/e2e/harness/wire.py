"""Calls of a Hive Metastore that the client library is too old to know: a request and an answer are fields by their ids, as
`hive_metastore.thrift` of Hive numbers them."""

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TApplicationException, TMessageType, TType
from thrift.transport import TSocket, TTransport

SIMPLE = {
    TType.BOOL: "Bool",
    TType.BYTE: "Byte",
    TType.I16: "I16",
    TType.I32: "I32",
    TType.I64: "I64",
    TType.DOUBLE: "Double",
    TType.STRING: "String",
}


def call(port: int, name: str, request):
    """What the call `name` answers to its one argument, a struct. What it throws is an error here."""
    transport = TTransport.TBufferedTransport(TSocket.TSocket("127.0.0.1", port))
    protocol = TBinaryProtocol(transport)
    transport.open()
    try:
        protocol.writeMessageBegin(name, TMessageType.CALL, 1)
        _write(protocol, {1: request})
        protocol.writeMessageEnd()
        transport.flush()
        _, kind, _ = protocol.readMessageBegin()
        if kind == TMessageType.EXCEPTION:
            error = TApplicationException()
            error.read(protocol)
            raise error
        fields = _read(protocol, TType.STRUCT)
    finally:
        transport.close()
    if set(fields) - {0}:
        raise AssertionError(f"{name}: {fields}")
    return fields.get(0)


def _kind(value) -> int:
    """Thrift's type of a value: a list, text, a truth, a number of 32 bits, or else a struct."""
    kinds = {list: TType.LIST, str: TType.STRING, bool: TType.BOOL, int: TType.I32}
    return kinds.get(type(value), TType.STRUCT)


def _write(protocol, value):
    """A struct is a dictionary, or an object of the client library's."""
    kind = _kind(value)
    if kind in SIMPLE:
        getattr(protocol, f"write{SIMPLE[kind]}")(value)
    elif kind == TType.LIST:
        protocol.writeListBegin(_kind(value[0]) if value else TType.STRING, len(value))
        for element in value:
            _write(protocol, element)
        protocol.writeListEnd()
    elif isinstance(value, dict):
        protocol.writeStructBegin("")
        for number, field in value.items():
            protocol.writeFieldBegin("", _kind(field), number)
            _write(protocol, field)
            protocol.writeFieldEnd()
        protocol.writeFieldStop()
        protocol.writeStructEnd()
    else:
        value.write(protocol)


def _read(protocol, kind: int):
    if kind in SIMPLE:
        return getattr(protocol, f"read{SIMPLE[kind]}")()
    if kind == TType.MAP:
        key, value, size = protocol.readMapBegin()
        return {_read(protocol, key): _read(protocol, value) for _ in range(size)}
    if kind in (TType.LIST, TType.SET):
        element, size = protocol.readListBegin()
        return [_read(protocol, element) for _ in range(size)]
    fields = {}
    while True:
        _, kind, number = protocol.readFieldBegin()
        if kind == TType.STOP:
            return fields
        fields[number] = _read(protocol, kind)
