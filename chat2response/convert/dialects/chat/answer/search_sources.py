"""`Sources`: what a search model says it has read, beside its choices: `citations` and `search_results`.

They become citations of the answer's text once it has ended: some models repeat them with every chunk. Where
in the text they belong, nobody says.
"""

from typing import Any

from chat2response.convert.loose_values import as_string
from chat2response.convert.writer.protocol import ContentWriter


class Sources:
    """Of one answer."""

    __slots__ = ("_titles", "_writer", "cited", "late")

    def __init__(self, writer: ContentWriter) -> None:
        self.cited: set[str] = set()
        """Addresses that the text cites itself."""
        self.late = False
        """The text has ended: a call came."""
        self._titles: dict[str, str] = {}  # by address
        self._writer = writer

    def take(self, citations: Any, results: Any) -> int:
        """Takes those of a chunk, or of a whole completion; returns the characters that are new in them."""
        said = 0
        for name, sources in (("citations", citations), ("search_results", results)):
            for source in sources if type(sources) is list else [sources] if sources else ():
                said += self._take(name, source)
        return said

    def _take(self, name: str, source: Any) -> int:
        fields = {"url": source} if type(source) is str else source
        url = fields.get("url") if type(fields) is dict else None
        if type(url) is not str or not url:
            self._writer.losses.add(name)
            return 0
        known = self._titles.get(url)
        if known:
            return 0
        title = self._titles[url] = as_string(fields.get("title"))
        return len(title) + (len(url) if known is None else 0)

    def finish(self) -> None:
        """The answer ended, and did not fail."""
        for url, title in self._titles.items():
            if url in self.cited:
                continue
            if self.late:
                self._writer.losses.add("citations")
                continue
            place = {"title": title, "start_index": 0, "end_index": 0}
            self._writer.annotation({"type": "url_citation", "url": url, **place})
