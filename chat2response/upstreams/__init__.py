"""What answers: Chat and Responses servers over HTTP, and the built-in demo; which one, by `Routes`."""
