"""Converts content parts in both directions.

    Chat                                             Responses
    {type: text, text}                               {type: input_text | output_text, text}
    {type: refusal, refusal}                         {type: refusal, refusal}
    {type: image_url, image_url: {url, detail}}      {type: input_image, image_url, detail}
    {type: file, file: {file_id | file_data, ...}}   {type: input_file, file_id | file_data, filename}
    {type: input_audio, input_audio}                 the same
    {type: video_url, video_url: {url}}              {type: input_video, video_url}, for some backends

Parts of other types enter the hub unchanged. Toward Chat they raise an error; no placeholder replaces them.
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

BREAKPOINT = "prompt_cache_breakpoint"  # the field has this name in both APIs
_IMAGE_KEYS = frozenset({"url", "detail"})
_FILE = ("file_id", "file_data", "filename")
_FILE_KEYS = frozenset(_FILE)


def read_parts(content: list[Any], where: str, readers: Mapping[str, _Read] | None = None) -> list[Part]:
    """Converts a Chat content array to hub parts, one to one. `where` is the path of the array."""
    readers = _REQUEST_READERS if readers is None else readers
    parts: list[Part] = []
    for index, part in enumerate(content):
        if type(part) is not dict:
            raise wrong_type(f"{where}[{index}]", "an object", part)
        kind = part.get("type")
        if type(kind) is not str:
            raise _bad_type(f"{where}[{index}].type", kind)
        read = readers.get(kind)
        if read is None:
            parts.append(part)
            continue
        converted = read(part, where, index)
        if len(part) > 2:
            unknown_fields.copy_unknown(part, {"type", kind}, converted)
        parts.append(converted)
    return parts


def read_assistant_parts(content: list[Any], where: str) -> list[Part]:
    """Converts the content array of an assistant message to hub parts."""
    return read_parts(content, where, _ASSISTANT_READERS)


def write_parts(
    content: list[Any], where: str, losses: Losses, *, flatten: bool = False, video: bool = False
) -> str | list[dict[str, Any]]:
    """Converts hub parts to Chat content. A single text becomes a string, which all backends accept."""
    parts: list[dict[str, Any]] = []
    for index, part in enumerate(content):
        plain = plain_text(part)
        if plain is not None:
            parts.append({"type": "text", "text": plain})
        else:
            parts.append(write_part(part, f"{where}[{index}]", losses, video=video))
    return simplify_content(parts, flatten=flatten) if parts else ""


def simplify_content(parts: list[dict[str, Any]], *, flatten: bool = False) -> Any:
    """A string if the only part is a text, else the parts. `flatten` joins several texts into one string."""
    if len(parts) == 1:
        return parts[0].get("text", parts) if len(parts[0]) == 2 else parts
    if flatten and all(part["type"] == "text" and len(part) == 2 for part in parts):
        return "\n\n".join([part["text"] for part in parts])
    return parts


def plain_text(part: Any) -> str | None:
    """The text of a part that has no other content; None for every other part."""
    if type(part) is dict and part.get("type") in _TEXT_TYPES and _PLAIN_KEYS.issuperset(part):
        plain = part.get("text")
        if type(plain) is str:
            return plain
    return None


def write_part(part: Any, where: str, losses: Losses, *, video: bool = False) -> dict[str, Any]:
    """Converts one part to Chat; `where` is its path. `video`: whether the backend accepts videos.

    Raises InvalidRequest for parts that Chat cannot express.
    """
    if type(part) is not dict:
        raise wrong_type(where, "an object", part)
    kind = part.get("type")
    if type(kind) is not str:
        raise _bad_type(f"{where}.type", kind)
    writer = _WRITERS.get(kind)
    if writer is None or (kind == "input_video" and not video):
        raise unsupported_field(
            where, f"A Chat Completions upstream does not accept a content part of type '{kind}'."
        )
    write, known = writer
    converted = write(part, where, losses)
    if len(part) > 2:
        if part.get(BREAKPOINT) is not None:
            converted[BREAKPOINT] = part[BREAKPOINT]
        if not known.issuperset(part):
            unknown_fields.report_unknown(part, known, where, losses)
    return converted


def _bad_type(path: str, kind: Any) -> Exception:
    return missing_field(path) if kind is None else wrong_type(path, "a string", kind)


def _string(part: dict[str, Any], key: str, where: str, index: int) -> str:
    """A required string. The path is formatted only for an error, to save time."""
    value = part.get(key)
    return value if type(value) is str else require_string(value, f"{where}[{index}].{key}")


def _read_text(part: dict[str, Any], where: str, index: int) -> Part:
    return {"type": "input_text", "text": _string(part, "text", where, index)}


def _read_output_text(part: dict[str, Any], where: str, index: int) -> Part:
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
    converted: Part = {"type": "input_image", "image_url": url, "detail": image.get("detail") or "auto"}
    if not _IMAGE_KEYS.issuperset(image):
        unknown_fields.copy_unknown(image, _IMAGE_KEYS, converted, "image_url.")
    return converted


def _read_file(part: dict[str, Any], where: str, index: int) -> Part:
    path = f"{where}[{index}].file"
    file = require_object(part.get("file"), path)
    converted: Part = {"type": "input_file"}
    for key in _FILE:
        if file.get(key) is not None:
            converted[key] = require_string(file[key], f"{path}.{key}")
    if "file_id" not in converted and "file_data" not in converted:
        raise missing_field(f"{path}.file_data")
    if not _FILE_KEYS.issuperset(file):
        unknown_fields.copy_unknown(file, _FILE_KEYS, converted, "file.")
    return converted


_REQUEST_READERS: dict[str, _Read] = {"text": _read_text, "image_url": _read_image, "file": _read_file}
_ASSISTANT_READERS: dict[str, _Read] = {"text": _read_output_text, "refusal": _read_refusal}


def _write_text(part: Part, where: str, losses: Losses) -> dict[str, Any]:
    return {"type": "text", "text": require_string(part.get("text"), f"{where}.text")}


def _write_image(part: Part, where: str, losses: Losses) -> dict[str, Any]:
    if part.get("image_url") is None and part.get("file_id") is not None:
        raise _content_required(f"{where}.file_id")
    image: dict[str, Any] = {"url": require_string(part.get("image_url"), f"{where}.image_url")}
    if part.get("detail") is not None:
        image["detail"] = part["detail"]
    return {"type": "image_url", "image_url": image}


def _write_file(part: Part, where: str, losses: Losses) -> dict[str, Any]:
    file = {key: require_string(part[key], f"{where}.{key}") for key in _FILE if part.get(key) is not None}
    if "file_id" not in file and "file_data" not in file:
        if part.get("file_url") is not None:
            raise _content_required(f"{where}.file_url")
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


def _content_required(path: str) -> Exception:
    message = f"A Chat Completions upstream does not accept '{path}'. Send the content itself instead."
    return unsupported_field(path, message)


_TEXT_TYPES = ("input_text", "output_text", "text")
_PLAIN_KEYS = frozenset({"type", "text", "annotations", "logprobs"})
_TEXT_KEYS = _PLAIN_KEYS | {BREAKPOINT}
_WRITERS: dict[str, tuple[_Write, frozenset[str]]] = {
    "input_text": (_write_text, _TEXT_KEYS),
    "output_text": (_write_text, _TEXT_KEYS),
    "text": (_write_text, _TEXT_KEYS),
    "input_image": (_write_image, frozenset({"type", "image_url", "file_id", "detail", BREAKPOINT})),
    "input_file": (_write_file, frozenset({"type", *_FILE, "file_url", "detail", BREAKPOINT})),
    "input_video": (_write_video, frozenset({"type", "video_url", BREAKPOINT})),
    "input_audio": (_write_audio, frozenset({"type", "input_audio", BREAKPOINT})),
}
