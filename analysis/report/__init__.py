"""One HTML file that shows what runs found: figures, tables, sentences, and where every number comes from.

Start at `page.build_page`, which shows what `evidence.gather` has computed.

- blocks: What the sections of the page are made of, as values.
- details: What a report says of a single configuration: its facts, and its curves at few points.
- evidence: Everything a report shows, computed once; what cannot be shown is a reason instead.
- formatting: Figures of the tables as numbers to draw, and as text with unit and interval.
- page: The page, in one file that asks the network for nothing.
- provenance: What a manifest says about how the numbers came about; credentials in it are not repeated.
- sections: The sections of a report: the blocks that show one part of the evidence, or a note on why it is missing.
- sentences: What a report says in sentences.
- status: How complete the runs are, which stands at the top of a report.
- summary: The beginning of a report as findings.
- figures/: Figures on a screen, by Plotly.

The HTML is in `templates/` (Jinja2: the page, and a macro for each block), its looks in `report.css`, its script in
`report.js`.
"""
