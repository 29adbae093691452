"""Training of a general model, on chips whose image before is made, and on simulated twins.

`filling` makes the missing image; `stock` puts patches of both kinds into arrays; `recipe` draws what a
batch is made of; `bank` makes the batch, on the accelerator; `season` changes its images; `exams` asks, and
`schooling` trains.
"""
