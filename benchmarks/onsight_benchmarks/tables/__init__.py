"""Records as Markdown: python -m onsight_benchmarks.tables RECORD.json... | FOLDER [--write]

One file for each kind of record, or for a few that belong together. A file here makes itself known by

    TABLES: dict[str, Table]      kind -> how records of it become tables
    SECTIONS: dict[str, Section]  name -> what benchmarks/README.md shows between its markers of that name; a
                                  kind's own tables need none, their markers are called like the kind

either of which it may lack; nothing else has to be changed for a new kind of record.
"""
