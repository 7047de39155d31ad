"""The wire formats: JSON, server-sent events, content encodings, and the shapes of both APIs.

Nothing here converts or does I/O: conversion lives in `convert/`, connections in `net/`.
"""
