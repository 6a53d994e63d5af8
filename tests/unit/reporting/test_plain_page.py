"""A Markdown page of the house as HTML: its tables and escapes come through, nothing of the user's is markup."""

from __future__ import annotations

from nmevision.reporting.markdown import cell
from nmevision.reporting.plain_page import page_of

HOSTILE = "<script>alert(1)</script> a|b **c**"


def test_headings_tables_lists_and_escapes() -> None:
    text = "\n".join(
        [
            "# A board",
            "",
            "Some words",
            "go on.",
            "",
            f"| {cell(HOSTILE)} | n |",
            "|---|---:|",
            "| x | 0.91 |",
            "",
            "- one `<i>`",
        ]
    )
    page = page_of(text)
    assert "<title>A board</title>" in page
    assert "<p>Some words go on.</p>" in page
    assert '<th>&lt;script&gt;alert(1)&lt;/script&gt; a|b **c**</th><th class="n">n</th>' in page
    assert '<td>x</td><td class="n">0.91</td>' in page
    assert "---" not in page.split("<body>")[1]
    assert "<li>one <code>&lt;i&gt;</code></li>" in page
    assert "<script" not in page


def test_what_is_not_escaped_in_markdown_is_no_markup_either() -> None:
    page = page_of("# <img src=x>\n\n<b onclick=x>word</b> | **bold <i>**")
    assert "<img" not in page
    assert "onclick=x&gt;" in page
    assert "<b>bold &lt;i&gt;</b>" in page


def test_an_interval_stays_on_one_line() -> None:
    assert '0.9 <span class="v">(0.8–0.95)</span>' in page_of("0.9 (0.8–0.95)")


def test_a_column_stands_to_the_right_where_all_of_it_are_numbers() -> None:
    page = page_of("| a | rank | n |\n|---|---|---|\n| x | 1= | 0.5 |\n| y | 3 | - |")
    assert page.count('class="n"') == 3
    assert "<td>3</td>" in page
    assert '<td class="n">-</td>' in page
    page = page_of("| a | share |\n|---|---|\n| x | \\>0.99 |\n| y | 0.5 |\n| z | \\<0.01 |")
    assert '<td class="n">&gt;0.99</td>' in page
