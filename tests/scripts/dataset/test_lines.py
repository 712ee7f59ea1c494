"""Files as strangers write them: marks, line ends, broken bytes, huge lines, cut gzip."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from scripts.dataset.lines import BadFile, Record, Reject, read_csv, read_json


def found(path: Path, **more: int) -> list[Record | Reject]:
    return list(read_json(path, **more))


def file(tmp_path: Path, content: bytes, name: str = "x.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_marks_line_ends_and_blank_lines(tmp_path: Path) -> None:
    path = file(tmp_path, b'\xef\xbb\xbf{"a": 1}\r\n\r\n  \n{"a": "x\xe2\x80\xa8y"}\n{"a": 3}')
    assert found(path) == [
        Record(1, {"a": 1}),
        Record(4, {"a": "x\u2028y"}),  # a line separator inside a text ends no line
        Record(5, {"a": 3}),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\x00"}', "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"1" * 5_000 + b"}", "not JSON"),
        (b'[{"a": 1}]', "one object a line"),
        (b'"text"', "not a JSON object"),
        (b"NaN", "not a JSON object"),
    ],
)
def test_a_bad_line_is_told_with_its_number(tmp_path: Path, line: bytes, reason: str) -> None:
    first, bad, last = found(file(tmp_path, b'{"a": 1}\n' + line + b'\n{"a": 2}\n'))
    assert isinstance(bad, Reject)
    assert bad.line == 2
    assert reason in bad.reason
    bad.text.encode()  # fit to be written
    assert (first, last) == (Record(1, {"a": 1}), Record(3, {"a": 2}))


def test_a_huge_line_is_passed_over(tmp_path: Path) -> None:
    huge = json.dumps({"a": "x" * 50_000}).encode()
    path = file(tmp_path, huge + b'\n{"a": 2}\n' + huge)
    first, second, third = found(path, line_bytes_max=1_000)
    assert isinstance(first, Reject)
    assert first.reason == "longer than 1000 bytes"
    assert len(first.text) <= 2_000
    assert second == Record(2, {"a": 2})
    assert isinstance(third, Reject)


def test_gzip_by_content_whole_or_cut(tmp_path: Path) -> None:
    packed = gzip.compress(b"".join(b'{"a": %d}\n' % i for i in range(5_000)))
    assert len(found(file(tmp_path, packed, "no-suffix"))) == 5_000
    rows = found(file(tmp_path, packed[: len(packed) // 2]))
    assert isinstance(rows[-1], Reject)
    assert "broken gzip" in rows[-1].reason
    assert len(rows) > 100
    damaged = packed[:400] + b"\x00\x00\x00\x00" + packed[404:]
    assert any(isinstance(row, Reject) for row in found(file(tmp_path, damaged)))


def test_files_that_are_empty_utf16_or_absent(tmp_path: Path) -> None:
    assert found(file(tmp_path, b"")) == []
    assert found(file(tmp_path, gzip.compress(b""))) == []
    (row,) = found(file(tmp_path, '{"a": 1}\n'.encode("utf-16")))
    assert isinstance(row, Reject)
    assert "UTF-16" in row.reason
    with pytest.raises(BadFile, match="No such file"):
        found(tmp_path / "absent")
    with pytest.raises(BadFile, match="directory"):
        found(tmp_path)


def test_csv_rows_by_column(tmp_path: Path) -> None:
    content = 'who,text\r\nA,"hi, ""you""\r\nthere"\r\nB,short,long\r\n\r\nC,caf\u00e9\r\n'
    path = file(tmp_path, b"\xef\xbb\xbf" + content.encode() + b"D,\xff\r\n")
    rows = list(read_csv(path))
    assert rows[0] == Record(3, {"who": "A", "text": 'hi, "you"\r\nthere'})
    assert isinstance(rows[1], Reject)
    assert "3 fields instead of 2" in rows[1].reason
    assert rows[2] == Record(6, {"who": "C", "text": "caf\u00e9"})
    assert isinstance(rows[3], Reject)
    assert (rows[3].line, rows[3].reason) == (7, "not UTF-8")
    assert len(rows) == 4


def test_csv_that_breaks_its_own_rules(tmp_path: Path) -> None:
    rows = list(read_csv(file(tmp_path, b'a,b\n1,"x"y\n2,ok\n3,"never closed\n')))
    assert [type(row).__name__ for row in rows] == ["Reject", "Record", "Reject"]
    huge = b"a,b\n1," + b"x" * 5_000 + b"\n2,ok\n"
    rows = list(read_csv(file(tmp_path, huge), line_bytes_max=1_000))
    assert [type(row).__name__ for row in rows] == ["Reject", "Record"]
    for bad in (b'a,"b\n1,2\n', b'"a"x,b\n1,2\n'):
        with pytest.raises(BadFile, match="first row is not CSV"):
            list(read_csv(file(tmp_path, bad)))
    for bad in (b"a,a\n1,2\n", b",\n1,2\n"):
        with pytest.raises(BadFile, match="name the columns"):
            list(read_csv(file(tmp_path, bad)))
    assert list(read_csv(file(tmp_path, b""))) == []
    assert list(read_csv(file(tmp_path, b"a;b\n1;2\n"), ";")) == [Record(2, {"a": "1", "b": "2"})]


@pytest.mark.parametrize("behind", ["", '"a ""quoted"" one",2\n'])
def test_a_quote_that_is_never_closed_costs_its_own_line(tmp_path: Path, behind: str) -> None:
    """Closed by nothing, or by the quote of a row far behind."""
    rows = "".join(f"{i},ok\n" for i in range(20_000))
    content = f'a,b\n0,"never closed\n{rows}{behind}'
    first, *others = read_csv(file(tmp_path, content.encode()))
    assert isinstance(first, Reject)
    assert (first.line, first.text) == (2, '0,"never closed')
    assert "read on from line 3" in first.reason
    assert len(others) == 20_000 + bool(behind)
    assert others[0] == Record(3, {"a": "0", "b": "ok"})
    if behind:
        assert others[-1] == Record(20_003, {"a": 'a "quoted" one', "b": "2"})


def test_many_quotes_that_are_never_closed_are_read_in_one_pass(tmp_path: Path) -> None:
    content = b"a,b\n" + b'1,"x\n2,"y" \n3,z\n' * 5_000
    rows = list(read_csv(file(tmp_path, content)))
    assert [row.line for row in rows] == list(range(2, 15_002))
    assert [type(row).__name__ for row in rows[:6]] == ["Reject", "Reject", "Record"] * 2


def test_a_row_is_no_longer_than_a_line_may_be(tmp_path: Path) -> None:
    """Neither by one open quote nor by many fields of several lines."""
    fields = b",".join([b'"' + b"x\n" * 100 + b'"'] * 20)
    rows = list(read_csv(file(tmp_path, b"a,b\n" + fields + b"\n1,ok\n"), line_bytes_max=1_000))
    assert rows[-1] == Record(2_003, {"a": "1", "b": "ok"})
    assert all(isinstance(row, Reject) for row in rows[:-1])


def test_a_line_that_cannot_be_read_ends_the_row_around_it(tmp_path: Path) -> None:
    content = b'a,b\n1,"one\n' + b"x" * 2_000 + b'\ntwo"\n2,ok\n'
    rows = list(read_csv(file(tmp_path, content), line_bytes_max=1_000))
    assert [row.line for row in rows if isinstance(row, Reject)] == [2, 3, 4]
    assert rows[-1] == Record(5, {"a": "2", "b": "ok"})


def test_a_row_of_several_lines_with_too_many_fields_says_where(tmp_path: Path) -> None:
    (row,) = read_csv(file(tmp_path, b'a,b\n1,"x\ny",z\n'))
    assert isinstance(row, Reject)
    assert "3 fields instead of 2 (lines 2 to 3)" in row.reason
