#!/usr/bin/python3
"""The JSON Schema of the configuration, checked by others' code: it is JSON,
it is a schema, the examples are valid, and a test file is as its first line
says: "# schema: valid", "invalid", or "none" for what is no YAML.

usage: test_config_schema.py PRINT-SCHEMA TESTS/UNIT/CONFIG EXAMPLES
exit:  0 right, 1 wrong, 77 skipped in part: a package is missing
"""
import glob
import json
import os
import subprocess
import sys

SKIPPED = 77


def read(path):
    with open(path, "rb") as file:
        return file.read()


def load_schema(program):
    text = subprocess.run([program], check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["/usr/bin/python3", "-m", "json.tool"], input=text,
                   check=True, stdout=subprocess.DEVNULL)
    return json.loads(text)


def make_loader(yaml):
    """A loader that types scalars by the YAML 1.2 core schema, as editors do:
    no time stamps, no sexagesimals, and "yes" is a text."""
    import re

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {}

    def add(tag, pattern, first):
        Loader.add_implicit_resolver("tag:yaml.org,2002:" + tag,
                                     re.compile(pattern), first)

    digits = list("-+.0123456789")
    add("null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""])
    add("bool", r"^(true|True|TRUE|false|False|FALSE)$", list("tTfF"))
    add("int", r"^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", digits)
    add("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$",
        digits)
    return Loader


def expectation(path):
    first = read(path).split(b"\n", 1)[0].decode()
    return first[len("# schema: "):] if first.startswith("# schema: ") else ""


def check(validator, yaml, loader, path, wanted):
    document = yaml.load(read(path), Loader=loader)
    faults = [f"{'/'.join(map(str, e.absolute_path))}: {e.message}"
              for e in validator.iter_errors(document)]
    found = "invalid" if faults else "valid"
    if found != wanted:
        print(f"{path}: {found}, expected {wanted}")
        print("\n".join("  " + f for f in faults[:5]))
    return found == wanted


def main():
    program, data, examples = sys.argv[1:]
    schema = load_schema(program)
    try:
        import jsonschema
        import yaml
    except ImportError as error:
        print(f"SKIPPED: {error}; no file was checked against the schema.\n"
              "Install the Debian packages python3-jsonschema and python3-yaml.")
        return SKIPPED
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    loader = make_loader(yaml)
    counts = {"valid": 0, "invalid": 0}
    is_right = True
    files = [(p, "valid") for p in sorted(glob.glob(examples + "/*.yaml"))]
    files += [(p, expectation(p)) for p in sorted(glob.glob(data + "/*.yaml"))]
    for path, wanted in files:
        if wanted in counts:
            counts[wanted] += 1
            is_right &= check(validator, yaml, loader, path, wanted)
        elif wanted != "none" and os.path.getsize(path) > 0:
            print(f"{path}: the first line does not say what to expect")
            is_right = False
    print(f"{counts['valid']} valid and {counts['invalid']} invalid files")
    return 0 if is_right and min(counts.values()) >= 5 else 1


if __name__ == "__main__":
    sys.exit(main())
