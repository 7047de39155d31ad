"""`SearchSources`: the sources that a search model lists beside its choices (`citations`, `search_results`).

They become citations of the answer's text when it ends, because some models repeat them with every chunk. The
positions in the text are unknown.
"""

from typing import Any

from chat2response.convert.loose_values import as_string
from chat2response.convert.writer.protocol import ContentWriter


class SearchSources:
    """The sources of one answer."""

    __slots__ = ("_titles", "_writer", "cited", "late")

    def __init__(self, writer: ContentWriter) -> None:
        self.cited: set[str] = set()
        """URLs that the text cites itself."""
        self.late = False
        """The text has ended, because a call came."""
        self._titles: dict[str, str] = {}  # by URL
        self._writer = writer

    def add(self, citations: Any, results: Any) -> int:
        """Adds the sources of a chunk or a completion; returns how many characters were new."""
        added = 0
        for name, sources in (("citations", citations), ("search_results", results)):
            for source in sources if type(sources) is list else [sources] if sources else ():
                added += self._add(name, source)
        return added

    def _add(self, name: str, source: Any) -> int:
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
        """Writes the sources as citations, at the end of an answer that did not fail."""
        for url, title in self._titles.items():
            if url in self.cited:
                continue
            if self.late:
                self._writer.losses.add("citations")
                continue
            fields = {"title": title, "start_index": 0, "end_index": 0}
            self._writer.annotation({"type": "url_citation", "url": url, **fields})
