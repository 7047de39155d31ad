"""Content parts, both ways.

    Chat                                             Responses
    {type: text, text}                               {type: input_text | output_text, text}
    {type: refusal, refusal}                         {type: refusal, refusal}
    {type: image_url, image_url: {url, detail}}      {type: input_image, image_url, detail}
    {type: file, file: {file_id | file_data, ...}}   {type: input_file, file_id | file_data, filename}
    {type: input_audio, input_audio}                 the same
    {type: video_url, video_url: {url}}              {type: input_video, video_url}, where it is taken

A part of a type that is not listed enters the hub as it is; leaving, it is an error, never a stub.
"""

from collections.abc import Callable, Mapping
from typing import Any

from chat2response.convert import unknown_fields
from chat2response.convert.losses import Losses
from chat2response.convert.validation import (
    missing_field,
    require_object,
    require_string,
    unsupported_field,
    wrong_type,
)
from chat2response.wire.responses import Part

_Read = Callable[[dict[str, Any], str, int], Part]
_Write = Callable[[Part, str, Losses], dict[str, Any]]

BREAKPOINT = "prompt_cache_breakpoint"  # both APIs have it, under this name
_IMAGE = frozenset({"url", "detail"})
_FILE = ("file_id", "file_data", "filename")
_FILE_KEYS = frozenset(_FILE)


def read_parts(content: list[Any], where: str, readers: Mapping[str, _Read] | None = None) -> list[Part]:
    """The hub's parts of a Chat content array, one for one; `where` is the array's path."""
    readers = _ASKED if readers is None else readers
    parts: list[Part] = []
    for index, part in enumerate(content):
        if type(part) is not dict:
            raise wrong_type(f"{where}[{index}]", "an object", part)
        kind = part.get("type")
        if type(kind) is not str:
            raise _no_type(f"{where}[{index}].type", kind)
        read = readers.get(kind)
        if read is None:
            parts.append(part)
            continue
        made = read(part, where, index)
        if len(part) > 2:
            unknown_fields.copy_unknown(part, {"type", kind}, made)
        parts.append(made)
    return parts


def read_answer_parts(content: list[Any], where: str) -> list[Part]:
    """The same for an assistant's message."""
    return read_parts(content, where, _ANSWERED)


def write_parts(
    content: list[Any], where: str, losses: Losses, *, flatten: bool = False, video: bool = False
) -> str | list[dict[str, Any]]:
    """Chat content of the hub's parts, one for one. A lone text is a string: every backend takes that."""
    parts: list[dict[str, Any]] = []
    for index, part in enumerate(content):
        plain = plain_text(part)
        if plain is not None:
            parts.append({"type": "text", "text": plain})
        else:
            parts.append(write_part(part, f"{where}[{index}]", losses, video=video))
    return lone_text(parts, flatten=flatten) if parts else ""


def lone_text(parts: list[dict[str, Any]], *, flatten: bool = False) -> Any:
    """A string for one text and nothing else; else the parts. `flatten`: a string for many texts too."""
    if len(parts) == 1:
        return parts[0].get("text", parts) if len(parts[0]) == 2 else parts
    if flatten and all(part["type"] == "text" and len(part) == 2 for part in parts):
        return "\n\n".join([part["text"] for part in parts])
    return parts


def plain_text(part: Any) -> str | None:
    """The text of a part that is a text and nothing more; None for every other part."""
    if type(part) is dict and part.get("type") in _TEXTS and _PLAIN.issuperset(part):
        plain = part.get("text")
        if type(plain) is str:
            return plain
    return None


def write_part(part: Any, where: str, losses: Losses, *, video: bool = False) -> dict[str, Any]:
    """One part toward Chat; `where` is its path. `video`: this backend takes one.

    Raises InvalidRequest for what Chat cannot say.
    """
    if type(part) is not dict:
        raise wrong_type(where, "an object", part)
    kind = part.get("type")
    if type(kind) is not str:
        raise _no_type(f"{where}.type", kind)
    way = _WRITERS.get(kind)
    if way is None or (kind == "input_video" and not video):
        raise unsupported_field(
            where, f"A content part of type '{kind}' cannot be sent to a Chat Completions upstream."
        )
    write, known = way
    made = write(part, where, losses)
    if len(part) > 2:
        if part.get(BREAKPOINT) is not None:
            made[BREAKPOINT] = part[BREAKPOINT]
        if not known.issuperset(part):
            unknown_fields.report_unknown(part, known, where, losses)
    return made


def _no_type(path: str, kind: Any) -> Exception:
    return missing_field(path) if kind is None else wrong_type(path, "a string", kind)


def _string(part: dict[str, Any], key: str, where: str, index: int) -> str:
    """A required string. Paths are written out only for what is wrong."""
    value = part.get(key)
    return value if type(value) is str else require_string(value, f"{where}[{index}].{key}")


def _read_text(part: dict[str, Any], where: str, index: int) -> Part:
    return {"type": "input_text", "text": _string(part, "text", where, index)}


def _read_answer(part: dict[str, Any], where: str, index: int) -> Part:
    return {"type": "output_text", "text": _string(part, "text", where, index), "annotations": []}


def _read_refusal(part: dict[str, Any], where: str, index: int) -> Part:
    return {"type": "refusal", "refusal": _string(part, "refusal", where, index)}


def _read_image(part: dict[str, Any], where: str, index: int) -> Part:
    image = part.get("image_url")
    if type(image) is not dict:
        image = require_object(image, f"{where}[{index}].image_url")
    url = image.get("url")
    if type(url) is not str:
        require_string(url, f"{where}[{index}].image_url.url")
    made: Part = {"type": "input_image", "image_url": url, "detail": image.get("detail") or "auto"}
    if not _IMAGE.issuperset(image):
        unknown_fields.copy_unknown(image, _IMAGE, made, "image_url.")
    return made


def _read_file(part: dict[str, Any], where: str, index: int) -> Part:
    path = f"{where}[{index}].file"
    file = require_object(part.get("file"), path)
    made: Part = {"type": "input_file"}
    for key in _FILE:
        if file.get(key) is not None:
            made[key] = require_string(file[key], f"{path}.{key}")
    if "file_id" not in made and "file_data" not in made:
        raise missing_field(f"{path}.file_data")
    if not _FILE_KEYS.issuperset(file):
        unknown_fields.copy_unknown(file, _FILE_KEYS, made, "file.")
    return made


_ASKED: dict[str, _Read] = {"text": _read_text, "image_url": _read_image, "file": _read_file}
_ANSWERED: dict[str, _Read] = {"text": _read_answer, "refusal": _read_refusal}


def _write_text(part: Part, where: str, losses: Losses) -> dict[str, Any]:
    return {"type": "text", "text": require_string(part.get("text"), f"{where}.text")}


def _write_image(part: Part, where: str, losses: Losses) -> dict[str, Any]:
    if part.get("image_url") is None and part.get("file_id") is not None:
        raise _not_fetched(f"{where}.file_id")
    image: dict[str, Any] = {"url": require_string(part.get("image_url"), f"{where}.image_url")}
    if part.get("detail") is not None:
        image["detail"] = part["detail"]
    return {"type": "image_url", "image_url": image}


def _write_file(part: Part, where: str, losses: Losses) -> dict[str, Any]:
    file = {key: require_string(part[key], f"{where}.{key}") for key in _FILE if part.get(key) is not None}
    if "file_id" not in file and "file_data" not in file:
        if part.get("file_url") is not None:
            raise _not_fetched(f"{where}.file_url")
        raise missing_field(f"{where}.file_data")
    if part.get("detail", "auto") not in (None, "auto"):
        losses.add(f"{where}.detail")
    return {"type": "file", "file": file}


def _write_audio(part: Part, where: str, losses: Losses) -> dict[str, Any]:
    return {
        "type": "input_audio",
        "input_audio": require_object(part.get("input_audio"), f"{where}.input_audio"),
    }


def _write_video(part: Part, where: str, losses: Losses) -> dict[str, Any]:
    video = part.get("video_url")
    url = video.get("url") if type(video) is dict else video
    return {"type": "video_url", "video_url": {"url": require_string(url, f"{where}.video_url")}}


def _not_fetched(path: str) -> Exception:
    message = f"'{path}' cannot be sent to a Chat Completions upstream; send the content itself."
    return unsupported_field(path, message)


_TEXTS = ("input_text", "output_text", "text")
_PLAIN = frozenset({"type", "text", "annotations", "logprobs"})
_TEXT_KEYS = _PLAIN | {BREAKPOINT}
_WRITERS: dict[str, tuple[_Write, frozenset[str]]] = {
    "input_text": (_write_text, _TEXT_KEYS),
    "output_text": (_write_text, _TEXT_KEYS),
    "text": (_write_text, _TEXT_KEYS),
    "input_image": (_write_image, frozenset({"type", "image_url", "file_id", "detail", BREAKPOINT})),
    "input_file": (_write_file, frozenset({"type", *_FILE, "file_url", "detail", BREAKPOINT})),
    "input_video": (_write_video, frozenset({"type", "video_url", BREAKPOINT})),
    "input_audio": (_write_audio, frozenset({"type", "input_audio", BREAKPOINT})),
}
