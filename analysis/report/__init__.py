"""One HTML file that shows what runs found: figures, tables, sentences, and where every number comes from.

Start at `page.build_page`, which shows what `evidence.gather` has computed.

- audits: The audits of the runs of a report.
- details: What a report says of a single configuration: its facts, and its curves at few points.
- evidence: Everything a report shows, computed once; what cannot be shown is a reason instead.
- markup: Text to HTML. Every function escapes what it is given unless its name says HTML.
- page: The page: head, policy, sections, data and scripts in one file that asks the network for nothing.
- provenance: What a manifest says about how the numbers came about; credentials in it are not repeated.
- records: The sections that are tables: Table 3, the audit, provenance.
- sections: The sections of a report, each HTML of what one part of the evidence says, or a note on why it is missing.
- sentences: What a report says in sentences.
- status: How complete the runs are, which stands at the top of a report.
- summary: The beginning of a report as findings.
- figures/: Figures on a screen, by Plotly.
"""
